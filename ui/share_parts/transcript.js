// One listener for the whole transcript: buttons tell the server what was clicked, citations open their passage.
element.addEventListener("click", async (event) => {
  const citation = event.target.closest("a.r-cite");
  if (citation) {
    event.preventDefault();
    const passage = element.querySelector("#" + CSS.escape(citation.hash.slice(1)));
    const block = passage && passage.closest("details");
    if (block) {
      block.open = true;
      block.querySelector("summary").focus({ preventScroll: true });
      passage.scrollIntoView({ block: "center" });
    }
    return;
  }
  const button = event.target.closest("button[data-act]");
  if (!button) return;
  const turn = button.closest("[data-turn]");
  if (button.dataset.act === "copy") {
    const answer = turn.querySelector(".r-answer");
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(answer.innerText);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(answer);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => (button.textContent = label), 2000);
    return;
  }
  trigger("act", { what: button.dataset.act, turn: turn ? turn.dataset.turn : "", text: button.dataset.text || "" });
});
