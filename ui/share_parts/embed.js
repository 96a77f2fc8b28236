// For pages elsewhere: Gradio's own script from the server of the chat, and with the visitor's login.
const home = new URL(import.meta.url).origin;
const plain = window.fetch.bind(window);
window.fetch = (what, how) =>
  new URL(what.url ?? what, location.href).origin === home
    ? plain(what, { ...how, credentials: "include" })
    : plain(what, how);

// A component cannot log anybody in: it says where, and looks again once the visitor comes back to this page.
async function show() {
  const answer = await window.fetch(home + "/gradio_api/login_check").catch(() => null);
  const known = Boolean(answer && answer.ok);
  for (const chat of document.querySelectorAll("gradio-app")) {
    const link = document.createElement("a");
    Object.assign(link, { href: home + "/", target: "_blank", rel: "noopener", textContent: "Log in to the chat" });
    chat.replaceChildren(...(known ? [] : [link]));
  }
  if (!known) return;
  removeEventListener("focus", show);
  import(home + "/ENTRY");
}
addEventListener("focus", show);
show();

// The button leads to a place on the server of the page; the login is on the server of the chat.
addEventListener(
  "click",
  async (event) => {
    if (!event.target.closest('gradio-app a[href="logout"]')) return;
    event.preventDefault();
    event.stopPropagation();
    await window.fetch(home + "/logout", { redirect: "manual" }).catch(() => null);
    location.reload();
  },
  true,
);
