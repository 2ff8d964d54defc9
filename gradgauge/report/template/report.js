"use strict";
// Filter, permalinks, sorting and copying. Without this script the page shows all that it says, unfiltered.
(() => {
  const AXES = ["function", "device", "dtype", "mode"];
  const form = document.getElementById("filters");
  const status = document.getElementById("status");
  const main = document.querySelector("main");
  const say = (words) => { status.textContent = words; };

  // --- the filter ----------------------------------------------------------------------------------------------

  const selects = () => (form ? [...form.querySelectorAll("select")] : []);
  const chosen = () => Object.fromEntries(selects().filter((s) => s.value).map((s) => [s.name, s.value]));
  const scoped = [...main.querySelectorAll(AXES.map((axis) => `[data-${axis}]`).join())];

  function apply() {
    const wanted = chosen();
    const axes = Object.entries(wanted);
    for (const element of scoped) {
      const off = axes.some(([axis, value]) => element.dataset[axis] !== undefined && element.dataset[axis] !== value);
      element.classList.toggle("off", off);
    }
    for (const piece of main.querySelectorAll(".piece")) {
      const left = [...piece.querySelectorAll(":scope > .group")].some((group) => !group.classList.contains("off"));
      piece.classList.toggle("empty", !left);
    }
    form?.classList.toggle("active", axes.length > 0);
    gradgaugeRecords.filter(wanted);
  }

  // --- permalinks: #section?function=relu&mode=compiled ------------------------------------------------------------

  function state() {
    const search = gradgaugeRecords.search();
    return new URLSearchParams({ ...chosen(), ...(search ? { search } : {}) }).toString();
  }
  const address = (name) => { const query = state(); return `#${name}${query ? `?${query}` : ""}`; };
  const parsed = () => {
    const [name, query] = location.hash.slice(1).split("?", 2);
    let plain = name;
    try { plain = decodeURIComponent(name); } catch { /* a stray % leads nowhere */ }
    return [plain, new URLSearchParams(query || "")];
  };

  function remember() {
    history.replaceState(null, "", address(parsed()[0]) === "#" ? location.pathname + location.search : address(parsed()[0]));
  }

  function restore() {
    const [name, query] = parsed();
    for (const select of selects()) {
      const value = query.get(select.name) || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    apply();
    if (name || query.get("search")) gradgaugeRecords.open(query.get("search"));
    reveal(name);
  }

  function reveal(name) {
    const target = name && document.getElementById(name);
    if (!target) return;
    for (let outer = target.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
    target.scrollIntoView();
  }

  async function copy(text, told) {
    try {
      await navigator.clipboard.writeText(text);
      say(told);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text, className: "skip" });
      document.body.append(area);
      area.select();
      say(document.execCommand("copy") ? told : "The browser does not allow copying.");
      area.remove();
    }
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (!link) return;
    event.preventDefault();
    const name = link.getAttribute("href").slice(1);
    history.pushState(null, "", address(name));
    reveal(name);
    const target = document.getElementById(name);
    target?.setAttribute("tabindex", "-1");
    target?.focus({ preventScroll: true });
  });

  // --- tables --------------------------------------------------------------------------------------------------

  const quoted = (cell) => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\r\n");
  const told = (cell) => {
    const value = (cell.querySelector(".value, .dt-column-title") || cell).cloneNode(true);
    const note = value.querySelector(".note");
    note?.remove();
    return [value.textContent.replace(/\s+/g, " ").trim(), note ? note.textContent.trim() : ""];
  };

  function rowsOf(table) {
    const rows = [...table.rows].filter((row) => !row.classList.contains("off")).map((row) => [...row.cells].map(told));
    const noted = rows[0].map((_, i) => rows.slice(1).some((row) => row[i]?.[1]));
    return rows.map((row, r) => row.flatMap(([value, note], i) => {
      if (!noted[i]) return [value];
      return r ? [value, note] : [value, note ? `${value}: ${note}` : `${value}: note`];
    }));
  }

  function button(words, act) {
    const made = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: words });
    made.addEventListener("click", act);
    return made;
  }

  function enhance(table) {
    if (table.dataset.enhanced || table.id === "explorer") return;
    table.dataset.enhanced = "yes";
    const rows = table.tBodies[0].rows.length;
    if (rows < 2) return;
    const scroll = table.closest(".scroll");
    const isFull = [...table.tBodies[0].rows].every((row) => row.cells.length === table.tHead.rows[0].cells.length);
    if (isFull) {
      new DataTable(table, {
        paging: false, searching: false, info: false, autoWidth: false, order: [], layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
        columnDefs: [{ targets: "_all", orderSequence: ["asc", "desc", ""] }, { targets: [...table.tHead.rows[0].cells].map((c, i) => (c.classList.contains("numeric") ? i : -1)).filter((i) => i >= 0), type: "num" }],
      });
    }
    const name = table.caption?.textContent.trim() || "table";
    const made = button("Copy as CSV", () => copy(csv(rowsOf(table)), `Copied ${rows} rows.`));
    made.setAttribute("aria-label", `Copy as CSV: ${name.slice(0, 80)}`);
    scroll.before(made);
    reach(scroll, name);
  }

  // What scrolls sideways must be reachable by keyboard.
  function reach(scroll, name) {
    const scrolls = scroll.scrollWidth > scroll.clientWidth + 1;
    if (!scrolls) return;
    scroll.setAttribute("tabindex", "0");
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", `${name.slice(0, 80)} (scrolls sideways)`);
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      seen.unobserve(entry.target);
      if (entry.target.classList.contains("explorer")) {
        gradgaugeRecords.open("");
      } else if (entry.target.matches("table")) {
        enhance(entry.target);
      } else {
        reach(entry.target, entry.target.closest("figure")?.querySelector("figcaption")?.textContent || "figure");
      }
    }
  }, { rootMargin: "400px" });
  main.querySelectorAll(".scroll > table, .explorer, .panels.wide").forEach((element) => seen.observe(element));

  for (const listing of main.querySelectorAll(".listing")) {
    const code = listing.querySelector("code").textContent;
    listing.prepend(button("Copy", () => copy(code, "Copied the code.")));
  }
  const explorer = document.getElementById("explorer");
  if (explorer) {
    const made = button("Copy what fits as CSV", () => {
      const rows = gradgaugeRecords.rows();
      copy(csv(rows), `Copied ${(rows.length - 1).toLocaleString("en")} records.`);
    });
    document.querySelector(".explorer").before(made);
    gradgaugeRecords.onSearch(remember);
  }

  // --- begin ---------------------------------------------------------------------------------------------------

  if (form) {
    form.hidden = false;
    form.addEventListener("change", () => { apply(); remember(); });
    form.addEventListener("reset", () => setTimeout(() => { apply(); remember(); say("Everything is shown."); }));
    form.addEventListener("submit", (event) => event.preventDefault());
    document.getElementById("permalink").addEventListener("click", () => copy(location.href, "Copied the link to what is shown."));
  }
  addEventListener("hashchange", restore);
  addEventListener("popstate", restore);
  addEventListener("beforeprint", () => main.querySelectorAll(".scroll > table").forEach(enhance));
  restore();
  document.documentElement.dataset.ready = "yes";
})();
