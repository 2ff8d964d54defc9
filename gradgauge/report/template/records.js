"use strict";
// The table of all records. DataTables asks for a page of rows at a time; what it asks for is found here, column by
// column, so that 100,000 records are filtered and sorted in milliseconds and only the rows on screen exist as elements.
const gradgaugeRecords = (() => {
  const AXES = ["function", "device", "dtype", "mode"];
  let columns = null;
  let table = null;
  let wanted = {};
  let searched = () => {};

  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("records-data").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const { texts, numbers } = JSON.parse(await new Response(stream).text());
    const of = {};
    for (const [name, [values, codes]] of Object.entries(texts)) {
      const order = values.map((_, i) => i).sort((a, b) => (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0));
      const rank = new Int32Array(values.length);
      order.forEach((code, place) => { rank[code] = place; });
      of[name] = { values, codes: Int32Array.from(codes), rank };
    }
    for (const [name, found] of Object.entries(numbers)) {
      of[name] = { numbers: Float64Array.from(found, (v) => (v === null ? NaN : v)) };
    }
    return of;
  }

  const text = (name, row) => {
    const column = columns[name];
    if (column.numbers) return Number.isNaN(column.numbers[row]) ? "" : String(column.numbers[row]);
    return column.values[column.codes[row]];
  };

  // A text is looked up once for all records that share it.
  function matching(search) {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    const textual = Object.values(columns).filter((column) => column.values);
    const hits = words.map((word) => textual.map((column) => column.values.map((v) => v.toLowerCase().includes(word))));
    const codes = AXES.filter((axis) => wanted[axis]).map((axis) => [columns[axis], columns[axis].values.indexOf(wanted[axis])]);
    const count = columns.value.numbers.length;
    const found = [];
    for (let row = 0; row < count; row += 1) {
      if (codes.every(([column, code]) => column.codes[row] === code || column.values[column.codes[row]] === "")
        && hits.every((word) => word.some((hit, i) => hit[textual[i].codes[row]]))) found.push(row);
    }
    return found;
  }

  function sorted(rows, order, names) {
    const keys = order.map(({ column, dir }) => {
      const { codes, rank, numbers } = columns[names[column]];
      const sign = dir === "desc" ? -1 : 1;
      if (!numbers) return (a, b) => sign * (rank[codes[a]] - rank[codes[b]]);
      // What has no value comes last, whichever way.
      return (a, b) => (Number.isNaN(numbers[a]) - Number.isNaN(numbers[b])) || sign * (numbers[a] - numbers[b]) || 0;
    });
    return keys.length ? rows.sort((a, b) => keys.reduce((found, key) => found || key(a, b), 0) || a - b) : rows;
  }

  const names = () => [...document.querySelectorAll("#explorer thead th")].map((cell) => cell.dataset.name);
  let current = [];

  function answer(request, callback) {
    const of = names();
    current = sorted(matching(request.search.value), request.order, of);
    const rows = current.slice(request.start, request.start + request.length);
    callback({
      draw: request.draw,
      recordsTotal: columns.value.numbers.length,
      recordsFiltered: current.length,
      data: rows.map((row) => of.map((name) => text(name, row))),
    });
  }

  async function open(search) {
    if (table || !document.getElementById("explorer")) return;
    table = "opening";
    columns = await unpack();
    const of = names();
    const titles = [...document.querySelectorAll("#explorer thead th")].map((cell) => cell.textContent);
    table = new DataTable("#explorer", {
      serverSide: true,
      ajax: (request, callback) => answer(request, callback),
      createdRow: (row) => [...row.cells].forEach((cell, i) => { cell.dataset.label = titles[i]; }),
      autoWidth: false,
      order: [],
      pageLength: 25,
      search: { search: search || "" },
      searchDelay: 150,
      columnDefs: [{ targets: "_all", render: DataTable.render.text() },
        { targets: of.map((name, i) => (columns[name].numbers ? i : -1)).filter((i) => i >= 0), className: "numeric" }],
      language: { search: "Search all texts", lengthMenu: "_MENU_ rows a page", emptyTable: "No record fits the filter." },
    });
    table.on("search", () => searched());
  }

  return {
    open,
    filter(values) {
      wanted = values;
      if (table && table !== "opening") table.draw();
    },
    search: () => (table && table !== "opening" ? table.search() : ""),
    onSearch(listener) { searched = listener; },
    rows: () => [names(), ...current.map((row) => names().map((name) => text(name, row)))],
    isOpen: () => Boolean(table) && table !== "opening",
  };
})();
