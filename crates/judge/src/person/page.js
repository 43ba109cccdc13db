// Single keys, a status line that is read out, and a page that looks whether it still holds. Nothing here is needed.
"use strict";

const status_line = document.querySelector("[role=status]");
const texts = document.querySelectorAll(".text");
const buttons = new Map();
for (const button of document.querySelectorAll("button[aria-keyshortcuts]")) {
  for (const key of button.getAttribute("aria-keyshortcuts").split(" ")) buttons.set(key.toLowerCase(), button);
}

// Screen readers read out what changes in a live region, not what it begins with.
function say(text) {
  status_line.textContent = "";
  setTimeout(() => { status_line.textContent = text; }, 100);
}

function scrolls(element) {
  return element !== null && element.scrollHeight > element.clientHeight;
}

// Texts that are seen whole need no stop of the tab key.
function place_stops() {
  for (const text of texts) {
    if (scrolls(text)) text.tabIndex = 0;
    else text.removeAttribute("tabindex");
  }
}

addEventListener("keydown", (event) => {
  if (event.repeat || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Enter" && event.target.closest("button, a")) return;
  // Whoever scrolls has not judged.
  const can_scroll = scrolls(event.target.closest(".text")) || scrolls(document.scrollingElement);
  if (event.key === "ArrowDown" && can_scroll) return;
  const button = buttons.get(event.key.toLowerCase());
  if (button === undefined || button.disabled) return;
  event.preventDefault();
  button.click();
});

// One form a page.
let is_sent = false;
addEventListener("submit", (event) => {
  if (is_sent) event.preventDefault();
  is_sent = true;
});

// A page that the browser kept shows a question of the past.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// Whether the turn is still that of the page: questions may have come, an end, or answers from another page.
async function look() {
  try {
    const answer = await fetch("turn");
    const holds = !answer.ok || await answer.text() === document.body.dataset.turn;
    if (is_sent) return;
    if (!holds) {
      location.reload();
      return;
    }
  } catch {
    say("The program has ended. You can close this page.");
    return;
  }
  setTimeout(look, 500);
}

say(status_line.textContent);
place_stops();
addEventListener("resize", place_stops);
if ("turn" in document.body.dataset) look();
