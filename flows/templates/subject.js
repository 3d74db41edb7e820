// A subject's page: sequences by tabs, cameras, their time series on demand, and the way into the comparison.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const { byId, escaped, onKey, valueText, badge, charts, viewer } = cleanplate;
  const measures = JSON.parse(byId("measures").textContent), byName = new Map(measures.map((one) => [one.name, one]));
  const lead = byId("subject"), tabs = [...document.querySelectorAll("[role=tab]")];
  const sequences = [...document.querySelectorAll(".sequence")];
  let current = null;
  const within = (selector) => current.querySelector(selector);
  const state = { camera: "", how: "camera", measure: "" };

  // -- series come as scripts, for a page from a disk may read nothing else
  const loaded = new Map();
  const load = (place) => {
    if (!loaded.has(place)) loaded.set(place, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${lead.dataset.series}${place}.js`;
      script.onload = () => resolve(window.cleanplateSeries[place]);
      script.onerror = () => reject(new Error(`${script.src} is not there: run cleanplate report again.`));
      document.head.append(script);
    }));
    return loaded.get(place);
  };

  const drawCharts = async () => {
    const room = within(".charts"), flags = within(".flags"), drawn = current;
    try {
      const told = await load(current.dataset.place);
      if (drawn !== current) return;
      const known = measures.filter((one) => Object.values(told.cameras).some((camera) => one.name in camera.measures));
      if (!known.some((one) => one.name === state.measure)) state.measure = (known.find((one) => one.bad) || known[0])?.name || "";
      const select = within("select.measure");
      if (!select.options.length) select.innerHTML = known.map((one) => `<option value="${one.name}">${escaped(one.label)}</option>`).join("");
      select.value = state.measure;
      within("select.camera").value = state.camera;
      within("select.how").value = state.how;
      within(".by-camera").hidden = state.how !== "camera";
      within(".by-measure").hidden = state.how === "camera";
      room.replaceChildren(...(state.how === "camera" ? ofCamera(told, flags) : ofMeasure(told, flags)));
      drawNumbers(told);
    } catch (err) {
      flags.innerHTML = `<span class="note">${escaped(err.message)}</span>`;
    }
  };
  const ofCamera = (told, flags) => {
    const series = told.cameras[state.camera], made = [];
    if (!series) { flags.textContent = "There is no frame of this camera."; return made; }
    const few = series.spans.slice(0, 6).map(([from, to, verdict, name]) => `<span class="flag">${badge(verdict)} ${from === to ? `frame ${from}` : `frames ${from}–${to}`}: ${escaped(byName.get(name)?.label || name.replaceAll("_", " "))}</span>`);
    const numbers = series.frames, first = Array.isArray(numbers) ? numbers[0] : numbers.first;
    flags.innerHTML = `<span>Frames ${first}–${series.last}.</span> ` + (few.length ? few.join(" ") + (series.spans.length > 6 ? ` and ${series.spans.length - 6} more` : "") : "No frame of this camera is flagged.");
    let heading = "";
    const still = [];
    for (const measure of measures) {
      if (!(measure.name in series.measures)) continue;
      const value = charts.constant(series, measure);
      if (value !== null) { still.push(`<span title="${escaped(measure.words)}"><b>${escaped(measure.label)}</b> ${valueText(value, measure.unit)}</span>`); continue; }
      if (measure.heading !== heading) { heading = measure.heading; const title = document.createElement("h3"); title.textContent = heading; made.push(title); }
      made.push(charts.chart(series, measure, state.camera, measure.label));
    }
    if (still.length) {
      const line = document.createElement("p");
      line.className = "still";
      line.innerHTML = `<span>The same in all frames:</span> ${still.join(" ")}`;
      made.push(line);
    }
    return made;
  };
  const ofMeasure = (told, flags) => {
    const measure = byName.get(state.measure);
    flags.textContent = measure ? `${measure.words}. ${measure.said}.` : "";
    return Object.entries(told.cameras).filter(([, series]) => measure && measure.name in series.measures).map(([camera, series]) => charts.chart(series, measure, camera, camera));
  };
  const drawNumbers = (told) => {
    const body = within(".numbers tbody");
    if (body.rows.length) return;
    body.innerHTML = Object.entries(told.cameras).map(([camera, series]) => series.numbers.map(([name, frames, median, p95, worst, limit, verdict, numbers]) => {
      const measure = byName.get(name), unit = measure?.unit;
      return `<tr><th scope="row">${escaped(camera)}</th><td title="${escaped(measure?.words || "")}">${escaped(measure?.label || name)}</td><td class="number">${frames}</td><td class="number">${valueText(median, unit)}</td><td class="number">${valueText(p95, unit)}</td><td class="number">${valueText(worst, unit)}</td><td class="number">${limit === null ? "" : valueText(limit, unit)}</td><td>${measure?.bad ? badge(verdict) : ""}</td><td>${numbers.join(", ")}</td></tr>`;
    }).join("")).join("");
  };

  // -- choosing
  const pickCamera = (camera, focus) => {
    state.camera = camera;
    current.querySelectorAll(".pick").forEach((one) => {
      one.setAttribute("aria-pressed", one.dataset.camera === camera);
      if (focus && one.dataset.camera === camera) one.focus();
    });
    current.querySelectorAll(".shot").forEach((one) => one.classList.toggle("at", one.dataset.camera === camera));
    drawCharts();
  };
  const pickSequence = (place, camera, focus) => {
    sequences.forEach((one) => { one.hidden = one.dataset.place !== String(place); });
    current = sequences.find((one) => !one.hidden) || sequences[0];
    current.hidden = false;
    tabs.forEach((tab) => {
      const on = tab.dataset.place === current.dataset.place;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      if (on) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    const picks = [...current.querySelectorAll(".pick")];
    const wanted = picks.find((one) => one.dataset.camera === camera) || picks.find((one) => one.closest("tr").querySelector(".badge.fail")) || picks.find((one) => one.closest("tr").querySelector(".badge.review")) || picks[0];
    if (wanted) pickCamera(wanted.dataset.camera, focus);
  };
  const placesOf = (camera) => [...current.querySelectorAll(".shot")].filter((one) => camera === undefined || one.dataset.camera === camera).map((one) => +one.dataset.picture);
  const openShot = (place) => viewer.open(place, placesOf());
  const openWorst = (camera) => { const places = placesOf(camera); if (places.length) viewer.open(places[0], placesOf()); };

  for (const tab of tabs) {
    tab.addEventListener("click", () => pickSequence(tab.dataset.place, state.camera));
    tab.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      event.stopPropagation();
      const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length];
      next.focus();
      pickSequence(next.dataset.place, state.camera);
    });
  }
  for (const sequence of sequences) {
    sequence.querySelectorAll("button.worst").forEach((one) => { one.hidden = !sequence.querySelector(`.shot[data-camera="${CSS.escape(one.dataset.camera)}"]`); });
    sequence.addEventListener("click", (event) => {
      const shot = event.target.closest("[data-picture]"), pick = event.target.closest(".pick"), worst = event.target.closest("button.worst");
      if (shot) { event.preventDefault(); openShot(+shot.dataset.picture); }
      else if (pick) { state.how = "camera"; pickCamera(pick.dataset.camera); sequence.querySelector(".series").scrollIntoView({ block: "start" }); }
      else if (worst) openWorst(worst.dataset.camera);
    });
    sequence.querySelector("select.how").addEventListener("change", (event) => { state.how = event.target.value; drawCharts(); });
    sequence.querySelector("select.camera").addEventListener("change", (event) => pickCamera(event.target.value));
    sequence.querySelector("select.measure").addEventListener("change", (event) => { state.measure = event.target.value; drawCharts(); });
  }

  // -- the subjects before and after, of the overview's data: no page names another subject
  const names = (window.cleanplateOverview?.subjects || []).filter((one) => one.page);
  const mine = names.findIndex((one) => one.name === lead.dataset.subject);
  const beside = { previous: mine > 0 ? names[mine - 1] : null, next: mine >= 0 ? names[mine + 1] : null };
  for (const [id, subject] of Object.entries(beside)) {
    if (!subject) continue;
    byId(id).href = `${encodeURIComponent(subject.folder)}.html`;
    byId(id).querySelector("span:not([aria-hidden])").textContent = subject.name;
    byId(id).setAttribute("aria-label", `subject ${subject.name}`);
    byId(id).hidden = false;
  }

  onKey((key) => {
    const picks = [...current.querySelectorAll(".pick")], by = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (by && document.activeElement?.matches(".plot")) return false;
    if (by) {
      const place = picks.findIndex((one) => one.dataset.camera === (document.activeElement?.dataset?.camera ?? state.camera));
      const next = picks[Math.max(0, Math.min(picks.length - 1, place + by))];
      if (next) pickCamera(next.dataset.camera, true);
    } else if (key === "w") openWorst(state.camera);
    else if (key === "o") location.href = "../index.html";
    else if (key === "[" && beside.previous) byId("previous").click();
    else if (key === "]" && beside.next) byId("next").click();
    else return false;
    return true;
  });

  const arrive = () => {
    const asked = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"));
    const camera = asked.get("camera");
    pickSequence(asked.get("s") ?? sequences[0]?.dataset.place, camera ?? state.camera, camera !== null);
    if (asked.has("frame")) {
      const place = viewer.pictures().findIndex((one) => String(one.sequence) === current.dataset.place && one.camera === camera && String(one.frame) === asked.get("frame"));
      if (place >= 0) openShot(place);
    }
  };
  addEventListener("hashchange", arrive);
  if (sequences.length) arrive();
});
