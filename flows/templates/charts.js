// Charts: one measure of one camera over its frames, with limits, flagged spans and a value to read by mouse and keys.
"use strict";
cleanplate.charts = (() => {
  const { escaped, valueText } = cleanplate;
  const WIDTH = 1000, HEIGHT = 100, PAD = 9, MOST_DOTS = 60;

  const numbersOf = (frames) => Array.isArray(frames) ? frames : Array.from({ length: frames.count }, (_, i) => frames.first + i * frames.step);

  // A measure as two arrays, the lowest and the highest value of each place; they are the same one where not thinned.
  const boundsOf = (told, length) => {
    if (typeof told === "number") { const same = new Array(length).fill(told); return { lo: same, hi: same }; }
    return Array.isArray(told) ? { lo: told, hi: told } : told;
  };
  const isOver = (value, limit, bad) => limit !== null && limit !== undefined && (bad === "high" ? value > limit : value < limit);
  const verdictOf = (value, measure) => {
    if (!measure.bad || Number.isNaN(value)) return "";
    return isOver(value, measure.limits[1], measure.bad) ? "fail" : isOver(value, measure.limits[0], measure.bad) ? "review" : "";
  };

  const scaleOf = (lo, hi, measure) => {
    let low = Infinity, high = -Infinity;
    for (const value of lo) if (value < low) low = value;
    for (const value of hi) if (value > high) high = value;
    const room = (high - low) || Math.abs(high) || 1;
    const limits = measure.bad ? measure.limits.filter((limit) => limit !== null && limit !== undefined) : [];
    for (const limit of limits) {  // limits that are near enough are drawn, farther ones only named
      if (limit > high && limit - high <= 1.5 * room) high = limit;
      if (limit < low && low - limit <= 1.5 * room) low = limit;
    }
    if (low > 0 && low < 0.2 * high) low = 0;
    if (high === low) { const half = Math.abs(high) * 0.1 || 0.5; high += half; low -= half; }
    return { low, high, y: (value) => HEIGHT - PAD - (value - low) / (high - low) * (HEIGHT - 2 * PAD) };
  };

  const draw = (series, measure) => {
    const frames = numbersOf(series.frames), last = series.last;
    const { lo, hi } = boundsOf(series.measures[measure.name], frames.length);
    const scale = scaleOf(lo, hi, measure), span = Math.max(last - frames[0], 1);
    const x = (frame) => last === frames[0] ? WIDTH / 2 : (frame - frames[0]) / span * WIDTH;
    const at = (i, values) => `${x(frames[i]).toFixed(1)} ${scale.y(values[i]).toFixed(1)}`;
    const parts = [], level = lo.map((_, i) => verdictOf(measure.bad === "low" ? lo[i] : hi[i], measure));
    const half = 0.5 * span / Math.max(frames.length - 1, 1);
    const rect = (from, to, kind) => { const left = Math.max(0, x(from - half)), right = Math.min(WIDTH, x(to + half)); parts.push(`<rect class="${kind}" x="${left.toFixed(1)}" y="0" width="${Math.max(right - left, 2).toFixed(1)}" height="${HEIGHT}"/>`); };
    for (let i = 0; i < level.length; i++) {
      if (!level[i]) continue;
      const start = i;
      while (i + 1 < level.length && level[i + 1] === level[start]) i++;
      rect(frames[start], frames[i], level[start]);
    }
    for (const [from, to, verdict] of series.spans) if (verdict === "not ok") rect(from, to, "lost");
    (measure.bad ? measure.limits : []).forEach((limit, kind) => {
      if (limit !== null && limit !== undefined && limit >= scale.low && limit <= scale.high) parts.push(`<path class="limit ${["review", "fail"][kind]}" d="M0 ${scale.y(limit).toFixed(1)}H${WIDTH}"/>`);
    });
    const runs = [];  // of known values
    for (let i = 0; i < frames.length; i++) {
      if (Number.isNaN(lo[i])) continue;
      const start = i;
      while (i + 1 < frames.length && !Number.isNaN(lo[i + 1])) i++;
      runs.push([start, i]);
    }
    for (const [start, stop] of runs) {
      const forth = []; for (let i = start; i <= stop; i++) forth.push(at(i, hi));
      if (lo === hi) { parts.push(`<path class="line" d="M${forth.join("L")}"/>`); continue; }
      const back = []; for (let i = stop; i >= start; i--) back.push(at(i, lo));
      parts.push(`<path class="area" d="M${forth.join("L")}L${back.join("L")}Z"/>`);
    }
    const dots = (kind, wanted) => { const d = frames.map((_, i) => (wanted(i) && !Number.isNaN(hi[i]) ? `M${at(i, measure.bad === "low" ? lo : hi)}h.01` : "")).join(""); if (d) parts.push(`<path class="${kind}" d="${d}"/>`); };
    if (frames.length <= MOST_DOTS) dots("dots", (i) => !level[i]);
    for (const kind of ["review", "fail"]) dots(`bad ${kind}`, (i) => level[i] === kind);
    return { svg: parts.join(""), frames, lo, hi, level, scale, x };
  };

  const rest = (row, measure) => {
    if (!row) return "";
    const limit = measure.bad ? measure.limits[0] ?? measure.limits[1] : null;
    const said = `median ${valueText(row[2], measure.unit)}, ${measure.bad ? "worst" : "highest"} ${valueText(row[4], measure.unit)}`;
    return limit === null || limit === undefined ? said : `${said}, limit ${valueText(limit, measure.unit)}`;
  };

  // The ends of a scale, with as many digits as tell them apart.
  const ticks = ({ low, high }, unit) => {
    for (let digits = 2; digits < 8; digits++) {
      const said = [valueText(high, unit, digits), valueText(low, unit, digits)];
      if (said[0] !== said[1]) return said;
    }
    return [valueText(high, unit), ""];
  };

  // Whether a measure is one harmless number over all frames, which no chart makes clearer.
  const constant = (series, measure) => {
    const told = series.measures[measure.name];
    return typeof told === "number" && !verdictOf(told, measure) ? told : null;
  };

  // Return a figure with the chart of a measure; `title` is what stands above it.
  const chart = (series, measure, camera, title) => {
    const figure = document.createElement("figure");
    const drawn = draw(series, measure), { frames, lo, hi } = drawn;
    const row = series.numbers.find((one) => one[0] === measure.name), unit = measure.unit;
    figure.className = "chart";
    const [top, bottom] = ticks(drawn.scale, unit);
    figure.innerHTML = `<figcaption><b title="${escaped(measure.words)}">${escaped(title)}</b><span class="words">${title === measure.label ? escaped(measure.words) : ""}</span><output></output></figcaption>
      <div class="plot" tabindex="0" role="slider" aria-label="${escaped(measure.label)} of camera ${escaped(camera)}: ${escaped(measure.words)}" aria-valuemin="${frames[0]}" aria-valuemax="${series.last}">
      <div class="room"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" aria-hidden="true">${drawn.svg}</svg><span class="cursor"></span></div>
      <span class="tick top">${top}</span><span class="tick bottom">${bottom}</span></div>`;
    const plot = figure.querySelector(".plot"), room = figure.querySelector(".room"), output = figure.querySelector("output"), cursor = figure.querySelector(".cursor");
    let place = -1;
    const show = (i) => {
      place = Math.max(0, Math.min(frames.length - 1, i));
      const value = lo[place] === hi[place] || lo === hi ? valueText(hi[place], unit) : `${valueText(lo[place], unit)} to ${valueText(hi[place], unit)}`;
      const until = lo !== hi && place + 1 < frames.length ? `–${frames[place + 1] - 1}` : "";
      output.innerHTML = `frame ${frames[place]}${until}: <b>${value}</b>${drawn.level[place] ? ` ${cleanplate.badge(drawn.level[place])}` : ""}`;
      cursor.style.display = "block";
      cursor.style.left = `${drawn.x(frames[place]) / WIDTH * 100}%`;
      plot.setAttribute("aria-valuenow", frames[place]);
      plot.setAttribute("aria-valuetext", `frame ${frames[place]}${until}: ${value}${drawn.level[place] ? `, ${drawn.level[place]}` : ""}`);
    };
    const leave = () => { if (document.activeElement === plot) return; output.textContent = rest(row, measure); cursor.style.display = "none"; };
    const near = (event) => {
      const box = room.getBoundingClientRect(), wanted = (event.clientX - box.left) / box.width * WIDTH;
      let low = 0, high = frames.length - 1;
      while (high - low > 1) { const middle = (low + high) >> 1; if (drawn.x(frames[middle]) <= wanted) low = middle; else high = middle; }
      return wanted - drawn.x(frames[low]) <= drawn.x(frames[high]) - wanted ? low : high;
    };
    plot.addEventListener("pointermove", (event) => show(near(event)));
    plot.addEventListener("pointerleave", leave);
    plot.addEventListener("focus", () => show(place < 0 ? 0 : place));
    plot.addEventListener("blur", leave);
    plot.addEventListener("keydown", (event) => {
      const far = Math.max(1, Math.round(frames.length / 10));
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: far, PageDown: -far, Home: -Infinity, End: Infinity };
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      show(place + steps[event.key]);
    });
    plot.setAttribute("aria-valuenow", frames[0]);
    plot.setAttribute("aria-valuetext", rest(row, measure));
    leave();
    return figure;
  };
  return { chart, constant };
})();
