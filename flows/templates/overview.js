// The overview: counts, the heat map with search, order and filters, and what decided.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const { byId, escaped, count, onKey } = cleanplate;
  const data = window.cleanplateOverview;
  if (!data) {
    byId("trouble").textContent = "data/overview.js is not there: run cleanplate report again.";
    byId("trouble").hidden = false;
    return;
  }
  const PASS = 0, REVIEW = 1, FAIL = 2, NOT_JUDGED = 3, PENDING = 4;
  const RANK = [0, 3, 4, 1, 2];  // how bad a code is, for the order
  const measures = new Map(data.measures.map((one) => [one.name, one]));
  const codeOf = (cell) => (cell === null ? -1 : cell === 0 ? PASS : cell[0]);
  const state = { text: "", codes: new Set(), cause: "", order: "name" };
  byId("out").textContent = data.out;
  byId("built").textContent = `Built ${data.built}`;

  const subjects = data.subjects.map((subject, place) => {
    const tally = [0, 0, 0, 0, 0];
    for (const cell of subject.cells) if (cell !== null) tally[codeOf(cell)]++;
    const worst = Math.max(-1, ...subject.cells.filter((cell) => cell !== null).map((cell) => RANK[codeOf(cell)]));
    return { ...subject, place, tally, worst, search: subject.name.toLowerCase() };
  });

  // -- counts, which are filters too
  const total = [0, 0, 0, 0, 0];
  for (const subject of subjects) subject.tally.forEach((number, code) => { total[code] += number; });
  const frames = subjects.reduce((sum, one) => sum + one.frames, 0), ok = subjects.reduce((sum, one) => sum + one.ok, 0);
  const stat = (code) => `<button type="button" class="stat" data-code="${code}" aria-pressed="false"><b>${total[code].toLocaleString("en")}</b><span><i class="c v${code}" aria-hidden="true"></i>${data.codes[code]}</span></button>`;
  byId("stats").innerHTML = `<div class="stat"><b>${subjects.length.toLocaleString("en")}</b><span>${subjects.length === 1 ? "subject" : "subjects"}</span></div>`
    + [FAIL, REVIEW, PASS, NOT_JUDGED, PENDING].filter((code) => code <= FAIL || total[code]).map(stat).join("")
    + `<div class="stat"><b>${frames ? (Math.floor(1000 * ok / frames) / 10).toLocaleString("en") : 0} %</b><span>of ${frames.toLocaleString("en")} frames matted</span></div>`;

  // -- the heat map
  const failing = data.cameras.map((_, column) => subjects.filter((one) => codeOf(one.cells[column]) === FAIL).length);
  document.querySelector("#heat thead").innerHTML = `<tr><th scope="col">Subject</th>${data.cameras.map((camera, column) =>
    `<th scope="col" title="camera ${escaped(camera)}: fails in ${count(failing[column], "subject")}"><div class="upright">${escaped(camera || "the camera")}</div><span class="of" aria-hidden="true">${failing[column] || ""}</span></th>`).join("")}
    <th scope="col">Fail</th><th scope="col">Review</th></tr>`;
  const link = (subject, column) => {
    const cell = subject.cells[column];
    const hash = `#s=${cell === 0 ? 0 : cell[1]}&camera=${encodeURIComponent(data.cameras[column])}`;
    return `subjects/${encodeURIComponent(subject.folder)}.html${hash}`;
  };
  const said = (subject, column) => {
    const cell = subject.cells[column], why = cell === 0 || !cell[3] ? "" : `, ${cell[3]}`;
    return `${subject.name}, camera ${data.cameras[column]}: ${data.codes[codeOf(cell)]}${why}`;
  };
  const cellHtml = (subject, column) => {
    if (subject.cells[column] === null) return "<td></td>";
    const code = codeOf(subject.cells[column]), label = escaped(said(subject, column));
    return subject.page
      ? `<td><a class="c v${code}" tabindex="-1" href="${escaped(link(subject, column))}" aria-label="${label}"></a></td>`
      : `<td><span class="c v${code}" tabindex="-1" role="img" aria-label="${label}"></span></td>`;
  };
  const nameHtml = (subject) => {
    const name = escaped(subject.name || "the subject"), more = subject.complete ? "" : ' <small title="Not all frames are matted yet">open</small>';
    return subject.page ? `<a tabindex="-1" href="subjects/${encodeURIComponent(subject.folder)}.html" title="${name}">${name}</a>${more}` : `<span title="${name}">${name}</span>${more}`;
  };
  const body = document.querySelector("#heat tbody");
  body.innerHTML = subjects.map((subject) => `<tr><th scope="row">${nameHtml(subject)}</th>${data.cameras.map((_, column) => cellHtml(subject, column)).join("")}<td class="n">${subject.tally[FAIL] || ""}</td><td class="n">${subject.tally[REVIEW] || ""}</td></tr>`).join("");
  const rows = [...body.rows];
  rows.forEach((row, place) => { row.subject = subjects[place]; });

  // -- what is shown
  const fits = (cell) => cell !== null && (!state.codes.size || state.codes.has(codeOf(cell))) && (!state.cause || (cell !== 0 && cell[2] === state.cause));
  const orders = {
    name: (a, b) => a.place - b.place,
    worst: (a, b) => b.worst - a.worst || b.tally[FAIL] - a.tally[FAIL] || b.tally[REVIEW] - a.tally[REVIEW] || a.place - b.place,
    failing: (a, b) => b.tally[FAIL] - a.tally[FAIL] || b.tally[REVIEW] - a.tally[REVIEW] || a.place - b.place,
  };
  let dimmed = false;
  const update = () => {
    const filters = state.codes.size > 0 || state.cause !== "";
    let shown = 0;
    for (const row of rows) {
      const subject = row.subject;
      row.hidden = !(subject.search.includes(state.text) && (!filters || subject.cells.some(fits)));
      shown += row.hidden ? 0 : 1;
      if (!row.hidden && (filters || dimmed)) {
        subject.cells.forEach((cell, column) => row.cells[column + 1].firstElementChild?.classList.toggle("off", filters && !fits(cell)));
      }
    }
    dimmed = dimmed || filters;
    byId("empty").hidden = shown > 0;
    byId("shown").textContent = shown === rows.length ? "" : `${shown} of ${count(rows.length, "subject")} shown`;
    document.querySelectorAll("#stats [data-code]").forEach((one) => one.setAttribute("aria-pressed", state.codes.has(+one.dataset.code)));
    document.querySelectorAll("#causes button").forEach((one) => one.setAttribute("aria-pressed", state.cause === one.dataset.cause));
  };
  const reorder = () => body.append(...rows.sort((a, b) => orders[state.order](a.subject, b.subject)));
  const clear = () => { state.text = ""; state.cause = ""; state.codes.clear(); byId("search").value = ""; update(); };
  byId("search").addEventListener("input", (event) => { state.text = event.target.value.trim().toLowerCase(); update(); });
  byId("order").addEventListener("change", (event) => { state.order = event.target.value; reorder(); });
  byId("clear").addEventListener("click", clear);
  byId("stats").addEventListener("click", (event) => {
    const button = event.target.closest("[data-code]");
    if (!button) return;
    const code = +button.dataset.code;
    if (!state.codes.delete(code)) state.codes.add(code);
    update();
  });

  // -- what decided
  const causes = new Map();
  for (const subject of subjects) for (const cell of subject.cells) {
    if (cell === null || cell === 0 || !cell[2]) continue;
    const tally = causes.get(cell[2]) || [0, 0];
    tally[cell[0] === FAIL ? 0 : 1]++;
    causes.set(cell[2], tally);
  }
  const ranked = [...causes].sort(([, a], [, b]) => b[0] - a[0] || b[1] - a[1]);
  const most = Math.max(1, ...ranked.map(([, [fail, review]]) => fail + review));
  byId("causes").innerHTML = ranked.map(([name, [fail, review]]) => {
    const measure = measures.get(name), told = [fail && `${fail} fail`, review && `${review} review`].filter(Boolean).join(", ");
    return `<li><button type="button" data-cause="${escaped(name)}" aria-pressed="false" title="${escaped(measure ? measure.words : name)}"><span>${escaped(measure ? measure.label : name)}</span><span class="count">${told}</span><span class="meter" aria-hidden="true"><i style="width:${100 * fail / most}%"></i><i style="width:${100 * review / most}%"></i></span></button></li>`;
  }).join("") || "<li>Nothing: no camera fails or wants a review.</li>";
  byId("causes").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    state.cause = state.cause === button.dataset.cause ? "" : button.dataset.cause;
    update();
  });
  byId("glossary").innerHTML = data.measures.map((one) => `<tr><th scope="row">${escaped(one.label)}</th><td>${escaped(one.words)}<span class="source">${escaped(one.heading)}${one.source ? `. ${escaped(one.source)}` : ""}</span></td><td>${escaped(one.said)}</td><td>${one.bad ? escaped(one.judged) : ""}</td></tr>`).join("");

  // -- hovering, and moving by keys
  const heads = document.querySelectorAll("#heat thead th");
  let at = null, lit = null;
  const point = (cell) => {
    const td = cell.closest("td"), row = td?.closest("tr");
    if (!row?.subject || td.cellIndex < 1 || td.cellIndex > data.cameras.length) return;
    const text = said(row.subject, td.cellIndex - 1), cut = text.indexOf(": ");
    byId("readout").innerHTML = `<b>${escaped(text.slice(0, cut))}</b>${escaped(text.slice(cut))}`;
    cell.title = text;
    lit?.classList.remove("at");
    lit = heads[td.cellIndex];
    lit.classList.add("at");
  };
  body.addEventListener("mouseover", (event) => { const cell = event.target.closest(".c"); if (cell) point(cell); });
  body.addEventListener("focusin", (event) => {
    const cell = event.target.closest(".c");
    if (!cell) return;
    if (at) at.tabIndex = -1;
    at = cell;
    at.tabIndex = 0;
    point(cell);
  });
  const cellAt = (row, column) => row?.cells[column]?.querySelector(".c");
  const move = (down, right) => {
    const shown = [...body.rows].filter((row) => !row.hidden);
    const row = document.activeElement?.closest?.("#heat tbody tr");
    if (!row) { (at?.isConnected && !at.closest("tr").hidden ? at : cellAt(shown[0], 1))?.focus(); return; }
    let place = shown.indexOf(row), column = document.activeElement.closest("td, th").cellIndex;
    for (let tries = 0; tries < 2000; tries++) {
      place += down; column += right;
      if (place < 0 || place >= shown.length || column < 1 || column > data.cameras.length) return;
      const cell = cellAt(shown[place], column);
      if (cell) { cell.focus({ preventScroll: true }); cell.scrollIntoView({ block: "nearest", inline: "nearest" }); return; }
    }
  };
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  onKey((key) => {
    if (key in moves) move(...moves[key]);
    else if (key === "/") byId("search").focus();
    else if (key === "s") { const order = byId("order"); order.selectedIndex = (order.selectedIndex + 1) % order.length; order.dispatchEvent(new Event("change")); }
    else if (key === "Escape") clear();
    else return false;
    return true;
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Escape") { clear(); event.target.blur(); }
    if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); event.target.blur(); at = null; move(0, 0); }
  });
  const first = body.querySelector(".c");
  if (first) first.tabIndex = 0;
});
