// Brings a page up to date while it is open: asks to be told when it has become another, fetches it, and puts its main
// part in place of the old one. Without this script the pages are the same; they are then reloaded by hand.
"use strict";
(() => {
  const AGAIN_MS = 30000;
  const state = document.getElementById("live");
  const address = "/events?page=" + encodeURIComponent(location.pathname);
  const say = (text) => { if (state.textContent !== text) state.textContent = text; };

  const take = async (print) => {
    const main = document.getElementById("main");
    if (print === main.dataset.print) return;
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = fresh.getElementById("main");
    if (next === null) return;
    // What a person has opened, scrolled sideways or put the focus on stays so.
    const open = new Set([...main.querySelectorAll("details[open]")].map((each) => each.id));
    const across = new Map([...main.querySelectorAll(".wide")].map((each) => [each.getAttribute("aria-label"), each.scrollLeft]));
    const focus = main.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    main.replaceChildren(...next.childNodes);
    main.dataset.print = next.dataset.print;
    for (const each of main.querySelectorAll("details")) each.open = open.has(each.id);
    for (const each of main.querySelectorAll(".wide")) each.scrollLeft = across.get(each.getAttribute("aria-label")) || 0;
    if (focus !== null) {
      const same = [...main.querySelectorAll("a")].find((each) => each.getAttribute("href") === focus);
      (same || main).focus({ preventScroll: true });
    }
    document.getElementById("as-of").replaceWith(fresh.getElementById("as-of"));
  };

  const watch = () => {
    const source = new EventSource(address);
    source.onopen = () => say("Up to date by itself");
    source.onmessage = (event) => { take(event.data).catch(() => say("Not up to date: reload the page")); };
    source.addEventListener("gone", () => { source.close(); say("This is no longer there"); });
    source.onerror = () => {
      say("Not connected: this is how it was last seen");
      if (source.readyState === EventSource.CLOSED) setTimeout(watch, AGAIN_MS);
    };
    addEventListener("pagehide", () => source.close(), { once: true });
  };
  watch();
})();
