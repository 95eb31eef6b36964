// Without this the pages say the same: it adds the search, and buttons that copy.
(() => {
  const search = document.getElementById("search");
  if (search) {
    const kinds = [...document.querySelectorAll(".kind")].map((section) => ({ section, rows: [...section.querySelectorAll(".rows > li")].map(read) }));
    const all = kinds.flatMap((kind) => kind.rows);
    const count = document.getElementById("count"), nothing = document.getElementById("nothing");

    const find = () => {
      const words = fold(search.value).split(/\s+/).filter(Boolean);
      let found = 0;
      for (const { section, rows } of kinds) {
        let here = 0;
        for (const row of rows) here += show(row, words);
        section.hidden = words.length > 0 && here === 0;
        found += here;
      }
      nothing.hidden = found > 0;
      count.textContent = words.length ? `${found} of ${all.length}` : "";
      const place = location.href.split("#")[0];
      // So that going back from a part finds the same list again.
      if (words.length || location.hash.startsWith("#q=")) history.replaceState(null, "", words.length ? `${place}#q=${encodeURIComponent(search.value)}` : place);
    };

    // The part of that name, else one whose name begins so, else the first.
    const best = (text) => {
      const left = all.filter((row) => !row.element.hidden);
      return left.find((row) => row.name === text) ?? left.find((row) => row.name.startsWith(text)) ?? left[0];
    };

    const ask = () => {
      if (location.hash.startsWith("#q=")) search.value = decoded(location.hash.slice(3));
      find();
    };
    search.addEventListener("input", find);
    search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") { search.value = ""; find(); }
      if (event.key === "Enter" && search.value.trim()) best(fold(search.value).trim())?.element.querySelector("a").click();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || document.activeElement === search) return;
      event.preventDefault();
      search.focus();
    });
    addEventListener("hashchange", ask);
    addEventListener("pageshow", ask);
    ask();
  }

  function read(element) {
    const hits = [...element.querySelectorAll(".hits li")].map((hit) => ({ element: hit, text: fold(hit.textContent) }));
    const name = fold(element.querySelector(".name").textContent);
    return { element, hits, name, list: element.querySelector(".hits"), own: fold(`${element.dataset.text ?? ""} ${name} ${element.querySelector("p").textContent}`) };
  }

  // A word may stand in the part's own line or in one of its knobs; the knobs that have one are shown.
  function show(row, words) {
    const there = words.every((word) => row.own.includes(word) || row.hits.some((hit) => hit.text.includes(word)));
    row.element.hidden = !there;
    const sought = words.filter((word) => !row.own.includes(word));
    for (const hit of row.hits) hit.element.hidden = !sought.some((word) => hit.text.includes(word));
    if (row.list) row.list.hidden = !there || row.hits.every((hit) => hit.element.hidden);
    return there ? 1 : 0;
  }

  function fold(text) {
    return text.normalize("NFKD").toLowerCase();
  }

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = button.previousElementSibling;
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        // Not allowed here; selected, it is one key away.
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
