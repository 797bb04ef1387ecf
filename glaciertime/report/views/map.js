// A map that can be moved and enlarged: the frame of what is shown changes, and its grid with it. No library, no network.
"use strict";
for (const svg of document.querySelectorAll("svg.zoom")) {
  const whole = svg.getAttribute("viewBox").split(" ").map(Number), told = svg.dataset;
  const x0 = +told.x0, y1 = +told.y1, scale = +told.scale, [grid, marks] = svg.querySelectorAll(".grid");
  let view = whole.slice();
  const words = (km, step) => {
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    let [front, back] = Math.abs(km).toFixed(digits).split(".");
    front = front.replace(/\B(?=(\d{3})+(?!\d))/g, told.thousands);
    return (km < 0 && +km.toFixed(digits) !== 0 ? "\u2212" : "") + front + (back ? told.decimal + back : "");
  };
  const draw = (name, attributes, text) => {
    const one = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) one.setAttribute(key, attributes[key]);
    if (text) one.textContent = text;
    (text ? marks : grid).appendChild(one);
  };
  const show = () => {
    svg.setAttribute("viewBox", view.join(" "));
    grid.replaceChildren(); marks.replaceChildren();
    const [left, top, width, height] = view, share = width / whole[2];
    const rough = width / scale / 1000 / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
    // Letters of twelve pixels, however wide the map is on its page.
    const letter = 12 * whole[2] / (svg.clientWidth || 700), size = `font-size:${letter * share}px;stroke-width:${.4 * letter * share}px`;
    const k = scale * 1000;
    for (let km = Math.ceil((x0 / 1000 + left / k) / step) * step; (km - x0 / 1000) * k < left + width; km += step) {
      const x = (km - x0 / 1000) * k;
      draw("line", {x1: x, x2: x, y1: top, y2: top + height});
      if (x > left + .06 * width && x < left + .94 * width)
        draw("text", {x, y: top + height - 8 * share, "text-anchor": "middle", style: size}, words(km, step));
    }
    for (let km = Math.ceil((y1 / 1000 - (top + height) / k) / step) * step; (y1 / 1000 - km) * k > top; km += step) {
      const y = (y1 / 1000 - km) * k;
      draw("line", {x1: left, x2: left + width, y1: y, y2: y});
      if (y > top + .06 * height && y < top + .9 * height)
        draw("text", {x: left + 6 * share, y: y - 4 * share, style: size}, words(km, step));
    }
  };
  const zoom = (factor, at) => {
    const width = Math.min(whole[2], Math.max(whole[2] / 40, view[2] * factor)), real = width / view[2];
    const [x, y] = at || [view[0] + view[2] / 2, view[1] + view[3] / 2];
    view = [x - (x - view[0]) * real, y - (y - view[1]) * real, width, view[3] * real];
    keep();
  };
  const keep = () => {
    view[0] = Math.min(Math.max(view[0], whole[0]), whole[0] + whole[2] - view[2]);
    view[1] = Math.min(Math.max(view[1], whole[1]), whole[1] + whole[3] - view[3]);
    show();
  };
  const place = event => {
    const box = svg.getBoundingClientRect();
    return [view[0] + (event.clientX - box.left) / box.width * view[2], view[1] + (event.clientY - box.top) / box.height * view[3]];
  };
  svg.addEventListener("wheel", event => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? .8 : 1.25, place(event));
  }, {passive: false});
  let held = null;
  svg.addEventListener("pointerdown", event => { held = place(event); svg.setPointerCapture(event.pointerId); });
  svg.addEventListener("pointermove", event => {
    if (!held) return;
    const now = place(event);
    view[0] += held[0] - now[0]; view[1] += held[1] - now[1];
    keep();
  });
  for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => { held = null; });
  for (const button of svg.closest("figure").querySelectorAll("button")) {
    button.addEventListener("click", () => {
      if (button.name === "whole") { view = whole.slice(); show(); } else zoom(button.name === "in" ? .6 : 1 / .6);
    });
  }
  svg.closest("figure").querySelector(".tools").hidden = false;
  addEventListener("resize", show);
  show();
}
