
(() => {
  "use strict";
  const form = document.getElementById("find");
  const query = document.getElementById("q");
  const found = document.getElementById("found");
  const cards = Array.from(document.querySelectorAll("article"), element => ({
    element, text: "", kind: element.dataset.kind, only: element.dataset.only.split(" "),
  }));
  const parts = Array.from(document.querySelectorAll(".services"));
  // Folded parts that the search has opened, to be closed again.
  let opened = [];

  const ticked = name => Array.from(form.querySelectorAll(`[name=${name}]:checked`), box => box.value);

  function reveal(card, words) {
    for (const details of card.element.querySelectorAll("details:not([open])")) {
      const text = details.textContent.toLowerCase();
      if (words.some(word => text.includes(word))) {
        details.open = true;
        opened.push(details);
      }
    }
  }

  function update() {
    const words = query.value.toLowerCase().split(/\s+/).filter(word => word);
    const kinds = ticked("kind"), only = ticked("only");
    if (words.length && cards.length && !cards[0].text) {
      for (const card of cards) card.text = card.element.textContent.toLowerCase();
    }
    for (const details of opened) details.open = false;
    opened = [];
    const shown = cards.filter(card => {
      const fits = (!kinds.length || kinds.includes(card.kind))
        && only.every(flag => card.only.includes(flag)) && words.every(word => card.text.includes(word));
      if (card.element.hidden === fits) card.element.hidden = !fits;
      return fits;
    });
    if (words.length && shown.length <= 50) for (const card of shown) reveal(card, words);
    for (const part of parts) {
      part.querySelector(".nothing").hidden = part.querySelector("article:not([hidden])") !== null;
    }
    const all = cards.length === 1 ? "1 service" : `${cards.length} services`;
    found.textContent = shown.length === cards.length ? all : `${shown.length} of ${all}`;
    return { words, kinds, only };
  }

  function remember({ words, kinds, only }) {
    const state = new URLSearchParams();
    if (words.length) state.set("q", query.value);
    if (kinds.length) state.set("kind", kinds.join("."));
    if (only.length) state.set("only", only.join("."));
    try {
      history.replaceState(null, "", state.size ? `#${state}` : location.pathname + location.search);
    } catch { /* Some browsers keep no history for files. */ }
  }

  function restore() {
    const hash = location.hash.slice(1);
    if (!hash.includes("=")) {
      const target = hash && document.getElementById(hash);
      if (target && target.hidden) {
        clear();
        target.scrollIntoView();
      }
      return;
    }
    const state = new URLSearchParams(hash);
    query.value = state.get("q") ?? "";
    for (const box of form.querySelectorAll("[type=checkbox]")) {
      box.checked = (state.get(box.name) ?? "").split(".").includes(box.value);
    }
    update();
  }

  function clear() {
    query.value = "";
    for (const box of form.querySelectorAll(":checked")) box.checked = false;
    return update();
  }

  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  if (!form) return;
  form.hidden = false;
  form.addEventListener("input", () => remember(update()));
  form.addEventListener("submit", event => event.preventDefault());
  form.addEventListener("reset", event => { event.preventDefault(); remember(clear()); });
  addEventListener("hashchange", restore);
  addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && event.target !== query) {
      event.preventDefault();
      query.focus();
      query.select();
    } else if (event.key === "Escape") {
      remember(clear());
    }
  });
  update();
  restore();
})();
