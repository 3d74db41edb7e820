// What all pages share: the theme, the list of keys, small helpers. Loaded before anything is drawn.
"use strict";
window.cleanplate = (() => {
  const root = document.documentElement;
  const kept = (value) => {
    try {  // a browser may forbid this to pages from a disk
      if (value === undefined) return localStorage.getItem("cleanplate-theme");
      localStorage.setItem("cleanplate-theme", value);
    } catch { /* the system's theme stands */ }
    return null;
  };
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const theme = kept();
  if (theme === "dark" || theme === "light") root.dataset.theme = theme;

  const byId = (id) => document.getElementById(id);
  const escaped = (text) => String(text).replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  const isTyping = (event) => event.target.matches("input:not([type=range]), select, textarea");

  // Keys that a page knows: a function of the key's name, asked unless somebody types or a dialog is open.
  const handlers = [];
  const onKey = (handler) => handlers.push(handler);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") byId("keys").showModal();
    else if (!handlers.some((handler) => handler(event.key, event))) return;
    event.preventDefault();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const button = byId("theme");
    const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; kept(root.dataset.theme); name(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
    byId("show-keys").addEventListener("click", () => byId("keys").showModal());
    addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  });

  const plain = (value, digits) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 10 ** digits) return Math.round(value).toLocaleString("en");
    return size < 1e-4 ? value.toExponential(1) : String(parseFloat(value.toPrecision(digits)));
  };
  const valueText = (value, unit, digits = 3) => {
    if (value === null || value === undefined || Number.isNaN(value)) return "–";
    return unit === "share" ? `${plain(100 * value, digits)}\u00a0%` : unit === "px" ? `${plain(value, digits)}\u00a0px` : plain(value, digits);
  };
  const badge = (verdict) => `<span class="badge ${escaped(verdict.replace(" ", "-"))}">${escaped(verdict)}</span>`;
  return { byId, escaped, count, onKey, valueText, badge };
})();
