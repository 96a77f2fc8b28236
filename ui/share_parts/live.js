// The answer in progress: the server marks its place, and this fills the place with the answer as it grows.
// Gradio changes elements rather than to replace them, so what is followed is known by its mark.
let mark = null;
let source = null;

function follow(place) {
  const home = element.closest("gradio-app")?.getAttribute("src") || document.baseURI;
  const address = new URL("live/" + encodeURIComponent(place.dataset.follow), home);
  const events = (source = new EventSource(address, { withCredentials: true }));
  const over = () => {
    events.close();
    if (events === source) trigger("over");
  };
  events.onmessage = ({ data }) => {
    const page = document.documentElement;
    const atEnd = innerHeight + scrollY > page.scrollHeight - 80;
    place.innerHTML = JSON.parse(data);
    if (atEnd) scrollTo(0, page.scrollHeight);
  };
  events.addEventListener("over", over);
  events.addEventListener("end", () => events.close());
  // A lost connection is made anew by the browser; what the server refuses is tried again by way of "over".
  events.onerror = () => events.readyState === EventSource.CLOSED && setTimeout(over, 1000);
}

function look() {
  const place = element.querySelector("[data-follow]");
  const now = place ? place.dataset.mark : null;
  if (now === mark) return;
  if (source) source.close();
  [mark, source] = [now, null];
  if (place) follow(place);
}

new MutationObserver(look).observe(element, { childList: true, subtree: true, attributeFilter: ["data-mark"] });
look();
