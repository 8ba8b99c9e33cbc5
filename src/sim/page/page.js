// After a mistake the next key replaces what was typed.
if (document.getElementById("wrong")) document.getElementById("code")?.select();

// Refreshes the lists, unless somebody is about to press a button in them.
const lists = document.getElementById("lists");
let shown = lists.innerHTML;
setInterval(async () => {
  if (document.hidden || lists.contains(document.activeElement)) return;
  try {
    const answer = await fetch("/lists", { cache: "no-store" });
    if (!answer.ok) return;
    const html = await answer.text();
    if (html !== shown) lists.innerHTML = shown = html;
  } catch {
    // The simulator was stopped; the page shows what it last knew.
  }
}, 1000);
