// The comparison: two views of one frame on top of each other, with a line between them that can be moved or flipped.
"use strict";
cleanplate.viewer = (() => {
  const { byId, escaped, badge } = cleanplate;
  let pictures = [], order = [], at = 0, share = 50, base = "frame", over = "checker", dialog = null, opener = null;

  const viewHtml = (picture, view) => picture.views[view]
    ? `<img src="${escaped(picture.views[view])}" alt="${escaped(view)} of camera ${escaped(picture.camera)}, frame ${picture.frame}" draggable="false">`
    : `<div class="gone" role="img" aria-label="${escaped(view)}: not there">${escaped(view)}: ${escaped(picture.missing[view] || "not there")}</div>`;

  const slide = (value) => {
    share = Math.max(0, Math.min(100, value));
    const views = dialog.querySelector(".views"), [below, above, line] = views.children;
    const picture = pictures[at], box = views.getBoundingClientRect();
    const aspect = picture.size[0] && picture.size[1] ? picture.size[0] / picture.size[1] : box.width / box.height;
    const width = Math.min(box.width, box.height * aspect), left = (box.width - width) / 2;  // of the picture in its room
    const cut = left + width * share / 100;
    below.style.clipPath = share >= 100 ? "" : `inset(0 ${box.width - cut}px 0 0)`;
    above.style.clipPath = `inset(0 0 0 ${cut}px)`;
    if (below.matches(".gone")) below.style.paddingRight = `${box.width - cut + 16}px`;
    if (above.matches(".gone")) above.style.paddingLeft = `${cut + 16}px`;  // what is missing is said beside the line
    line.style.left = `${cut - 1}px`;
    line.style.display = share > 0 && share < 100 ? "" : "none";
    dialog.querySelector(".slide").value = share;
    dialog.querySelector(".slide").setAttribute("aria-valuetext", `${Math.round(share)} % ${base}, the rest ${over}`);
    dialog.querySelector(".tag.left").hidden = share <= 0;
    dialog.querySelector(".tag.right").hidden = share >= 100;
  };

  const draw = () => {
    const picture = pictures[at];
    dialog.querySelector(".views").innerHTML = `${viewHtml(picture, base)}${viewHtml(picture, over)}<span class="line"></span>`;
    dialog.querySelector(".tag.left").textContent = base;
    dialog.querySelector(".tag.right").textContent = over;
    dialog.querySelector(".base").value = base;
    dialog.querySelectorAll("[data-view]").forEach((one) => one.setAttribute("aria-pressed", one.dataset.view === over));
    slide(share);
  };

  const tell = () => {
    const picture = pictures[at], model = picture.model ? `, by ${picture.model}` : "";
    byId("viewer-title").innerHTML = `${escaped(picture.camera)}, frame ${picture.frame} ${badge(picture.verdict)}`;
    dialog.querySelector(".why").textContent = [picture.why, `${order.indexOf(at) + 1} of ${order.length}; source frame ${picture.source_frame}${model}`].filter(Boolean).join(". ");
    dialog.querySelector(".numbers tbody").innerHTML = picture.numbers.map(([label, value, verdict, words]) =>
      `<tr class="${verdict}" title="${escaped(words)}"><th scope="row">${escaped(label)}</th><td>${verdict === "pass" ? "" : `${badge(verdict)} `}${escaped(value)}</td></tr>`).join("");
    dialog.querySelector(".files").innerHTML = picture.links.map(([what, href, path]) =>
      `<li>${escaped(what)}: ${href ? `<a href="${escaped(href)}">${escaped(path)}</a>` : `<span class="path">${escaped(path)}</span>`}</li>`).join("");
  };

  // All views of a frame are asked for at once, so that a key shows the next one without a wait.
  const preload = () => { pictures[at].ready = Object.values(pictures[at].views).map((url) => Object.assign(new Image(), { src: url })); };

  const step = (by) => {
    const place = order.indexOf(at);
    at = order[(place + by + order.length) % order.length];
    tell();
    draw();
    preload();
  };
  const flip = () => slide(share > 50 ? 0 : share < 50 ? 100 : 0);
  const choose = (view) => {
    over = view;
    if (share >= 100) share = 0;
    draw();
    if (document.activeElement?.matches("[data-view]")) dialog.querySelector(`[data-view="${view}"]`).focus();
  };

  const open = (place, among) => {
    at = place;
    order = among.includes(place) ? among : [place];
    opener = document.activeElement;
    if (!dialog.open) dialog.showModal();
    tell();
    draw();
    preload();
    dialog.querySelector(".choice [aria-pressed=true]")?.focus();
  };

  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const views = [...dialog.querySelectorAll("[data-view]")].map((one) => one.dataset.view);
    const onSlide = event.target.matches(".slide");
    if (views[event.key - 1]) choose(views[event.key - 1]);
    else if (event.key === " ") flip();
    else if (event.key === "ArrowRight" && !onSlide) step(1);
    else if (event.key === "ArrowLeft" && !onSlide) step(-1);
    else return;
    event.preventDefault();
  };

  document.addEventListener("DOMContentLoaded", () => {
    dialog = byId("viewer");
    pictures = JSON.parse(byId("pictures").textContent);
    dialog.addEventListener("keydown", onKey);
    dialog.addEventListener("keyup", (event) => { if (event.key === " ") event.preventDefault(); });  // Space presses no button
    dialog.addEventListener("close", () => opener?.focus?.());
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.querySelector(".flip").addEventListener("click", flip);
    dialog.querySelector(".before").addEventListener("click", () => step(-1));
    dialog.querySelector(".after").addEventListener("click", () => step(1));
    dialog.querySelector(".base").addEventListener("change", (event) => { base = event.target.value; draw(); });
    dialog.querySelector(".slide").addEventListener("input", (event) => slide(+event.target.value));
    dialog.querySelector(".choice").addEventListener("click", (event) => { const button = event.target.closest("[data-view]"); if (button) choose(button.dataset.view); });
    const stage = dialog.querySelector(".stage");
    const drag = (event) => {
      const box = dialog.querySelector(".views").getBoundingClientRect(), picture = pictures[at];
      const width = Math.min(box.width, box.height * picture.size[0] / picture.size[1] || box.width);
      slide((event.clientX - box.left - (box.width - width) / 2) / width * 100);
    };
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); });
    stage.addEventListener("pointermove", (event) => { if (stage.hasPointerCapture(event.pointerId)) drag(event); });
    addEventListener("resize", () => { if (dialog.open) slide(share); });
  });
  return { open, pictures: () => pictures };
})();
