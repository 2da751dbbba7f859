"use strict";
// A scene as a map in its own pixels: latitude is minus the row, longitude is the column, zoom 0 is full resolution.

const exported = byId("exported") && JSON.parse(byId("exported").textContent);
let meta, map, share = 0.5, look, grid = null;
const sides = { left: null, right: null };
const numbers = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const decibels = (value) => (value === null || value === undefined ? "–" : `${value.toFixed(2)} dB`);
const layerOf = (id) => meta.layers.find((each) => each.id === id);

const Tiles = L.TileLayer.extend({
  getTileUrl(coords) {
    const asked = new URLSearchParams({ bands: look.bands.join(","), cut: look.cut, scale: look.scale });
    return `tile/${this.options.layer}/${-coords.z}/${coords.x}/${coords.y}.png?${asked}`;
  },
});

// Of a page without a server: the tile itself, or the part of a coarser one that lies there.
const StoredTiles = L.GridLayer.extend({
  createTile(coords, done) {
    const tile = make("canvas", null, { width: meta.tile, height: meta.tile });
    for (let up = 0; up <= meta.levels + coords.z; up += 1) {
      const x = coords.x >> up, y = coords.y >> up;
      const stored = exported.tiles[`${this.options.layer}/${-coords.z + up}/${x}/${y}`];
      if (stored === undefined) continue;
      const picture = new Image();
      picture.onload = () => {
        const side = meta.tile / 2 ** up, pen = tile.getContext("2d");
        pen.imageSmoothingEnabled = false;
        pen.drawImage(picture, (coords.x - x * 2 ** up) * side, (coords.y - y * 2 ** up) * side, side, side,
          0, 0, meta.tile, meta.tile);
        done(null, tile);
      };
      picture.src = `data:image/png;base64,${exported.pictures[stored]}`;
      return tile;
    }
    setTimeout(() => done(null, tile));
    return tile;
  },
});

function corners() {
  return L.latLngBounds([-meta.height, 0], [0, meta.width]);
}

function show(side, layer) {
  if (sides[side]) sides[side].remove();
  const options = {
    layer, pane: side, tileSize: meta.tile, bounds: corners(), noWrap: true, maxNativeZoom: 0,
    minNativeZoom: -meta.levels, minZoom: map.getMinZoom(), maxZoom: map.getMaxZoom(), keepBuffer: 1,
  };
  sides[side] = exported ? new StoredTiles(options) : new Tiles("", options);
  sides[side].on("tileerror", (event) => ask(event.tile.src).catch(() => {}));
  sides[side].addTo(map);
  byId(side).value = layer;
  told();
}

function clip() {
  const size = map.getSize();
  const from = map.containerPointToLayerPoint([0, 0]), to = map.containerPointToLayerPoint(size);
  const middle = Math.round(from.x + size.x * share);
  map.getPane("left").style.clip = `rect(${from.y}px, ${middle}px, ${to.y}px, ${from.x}px)`;
  map.getPane("right").style.clip = `rect(${from.y}px, ${to.x}px, ${to.y}px, ${middle}px)`;
  byId("divider").style.left = `${100 * share}%`;
  byId("divider").setAttribute("aria-valuenow", String(Math.round(100 * share)));
}

function swipe(to) {
  share = Math.min(1, Math.max(0, to));
  clip();
}

function told() {
  const zoom = map.getZoom(), level = Math.max(0, -Math.round(zoom)), both = [byId("left").value, byId("right").value].map(layerOf);
  const words = [zoom > 0 ? `${numbers.format(2 ** zoom)}:1` : `1:${numbers.format(2 ** -zoom)}`];
  byId("map").classList.toggle("sharp", zoom > 0);
  const finest = 2 ** meta.full_level;
  if (level > meta.full_level) {
    words.push("the file's reduced pixels");
    if (both.some((each) => each && each.id === "repaired")) words.push(`repaired from 1:${finest} on`);
    if (both.some((each) => each && (each.kind === "difference" || each.id === "rmse"))) {
      words.push(exported ? "differences at the places listed" : `differences from 1:${finest} on: zoom in`);
    }
  }
  byId("level").textContent = words.join(", ");
  const legend = byId("legend");
  legend.replaceChildren();
  for (const kind of new Set(both.filter(Boolean).map((each) => each.kind))) {
    const top = kind === "strength" ? 1.5 : look.scale, bar = make("div", null, { className: "bar" });
    const ends = make("div", null, { className: "ends" });
    if (kind === "picture") {
      legend.append(make("p", "Pictures: one stretch for all layers."));
      continue;
    }
    bar.classList.add(kind === "difference" ? "difference" : "ramp");
    const first = kind === "difference" ? -top : 0;
    [first, (first + top) / 2, top].forEach((each) => ends.append(make("span", numbers.format(each))));
    legend.append(bar, ends, make("p", {
      difference: "Difference in digital numbers, of the shown band where it is largest",
      strength: "Share of the network's correction that is applied, first band shown",
      error: "Root mean square error per cell of 256 px, in digital numbers",
    }[kind]));
  }
}

function inView() {
  const shown = map.getBounds();
  return new URLSearchParams({
    top: Math.floor(-shown.getNorth()), bottom: Math.ceil(-shown.getSouth()),
    left: Math.floor(shown.getWest()), right: Math.ceil(shown.getEast()),
  });
}

let asking = null;

const measure = later(350, async () => {
  if (asking) asking.abort();
  asking = new AbortController();
  const found = exported ? exported.quality : await ask(`quality.json?${inView()}`, asking.signal);
  if (found) tellQuality(byId("quality"), found);
});

function tellQuality(place, found) {
  if (!found.sources) {
    const said = found.recorded;
    place.replaceChildren(make("p", said
      ? `Codec alone, as the archive recorded it: RMSE ${numbers.format(said.rmse)}, PSNR ${decibels(said.psnr)} (worst band).`
      : "Give the original to measure: rsic view ARCHIVE ORIGINAL."));
    return;
  }
  const rows = Object.entries(found.sources).map(([id, each]) => [
    layerOf(id).title, each.is_equal ? "equal" : decibels(each.psnr), decibels(each.snr), numbers.format(each.rmse),
    each.max_error === null ? "NaN" : numbers.format(each.max_error),
  ]);
  const share = found.blocks < found.of ? `${found.blocks} of ${found.of} blocks in view, ` : "";
  place.replaceChildren(table(["", "PSNR", "SNR", "RMSE", "largest"], rows), make("p",
    `Against the original, worst band, at full resolution: ${share}${numbers.format(found.pixels / 1e6)} Mpx.`));
}

const point = inTurn(async (row, column) => {
  const found = await ask(`values.json?row=${row}&column=${column}`);
  if (!found) return;
  const every = meta.bands.map((_, band) => band), chosen = every.length > 16 ? look.bands : every;
  const rows = Object.entries(found).map(([id, values]) => [
    layerOf(id).title, ...chosen.map((band) => (values[band] === null ? "nodata" : numbers.format(values[band]))),
  ]);
  const place = [`column ${column}, row ${row}`];
  if (meta.transform && meta.crs) {
    const [a, b, c, d, e, f] = meta.transform, x = column + 0.5, y = row + 0.5;
    const digits = Math.max(0, 1 - Math.floor(Math.log10(Math.hypot(a, d))));
    place.push(`x ${(a * x + b * y + c).toFixed(digits)}, y ${(d * x + e * y + f).toFixed(digits)} ${meta.crs.unit}`);
  }
  byId("values").replaceChildren(make("p", place.join("; ")),
    table(["", ...chosen.map((band) => meta.bands[band])], rows));
});

function under(event) {
  const row = Math.floor(-event.latlng.lat), column = Math.floor(event.latlng.lng);
  if (!exported && row >= 0 && column >= 0 && row < meta.height && column < meta.width) point(row, column);
}

const drawLines = later(200, async () => {
  if (!byId("lines").checked) return;
  const found = exported ? exported.graticule : await ask(`graticule.json?${inView()}`);
  if (!found || !byId("lines").checked) return;
  if (grid) grid.remove();
  grid = L.layerGroup();
  const shown = map.getBounds();
  for (const line of found) {
    const runs = line.runs.map((run) => run.map(([row, column]) => [-row, column]));
    L.polyline(runs, { pane: "lines", color: "#fff", weight: 1, opacity: 0.75, interactive: false }).addTo(grid);
    const at = named(runs, shown);
    const name = make("span", line.text);
    if (at) {
      L.marker(at, { pane: "lines", interactive: false, keyboard: false,
        icon: L.divIcon({ className: "line-name", html: name, iconAnchor: [0, 0] }) }).addTo(grid);
    }
  }
  grid.addTo(map);
});

// Where a line enters what is in view.
function named(runs, shown) {
  for (const run of runs) {
    for (let i = 1; i < run.length; i += 1) {
      for (let part = 0; part <= 16; part += 1) {
        const at = run[i - 1].map((value, axis) => value + (run[i][axis] - value) * part / 16);
        if (shown.contains(at)) return at;
      }
    }
  }
  return null;
}

function redraw() {
  // anew, because a GridLayer's own redraw asks for tiles of the zoom between two levels
  if (!exported) ["left", "right"].forEach((side) => show(side, byId(side).value));
}

function setScale(value) {
  look.scale = value;
  if (![...byId("scale").options].some((each) => Number(each.value) === value)) fillScale(value);
  byId("scale").value = String(value);
  redraw();
}

function fillScale(around) {
  const power = Math.floor(Math.log10(around)), every = [];
  for (let i = power - 3; i <= power + 3; i += 1) for (const lead of [1, 2, 5]) every.push(Number(`${lead}e${i}`));
  byId("scale").replaceChildren(...every.map((each) => make("option", numbers.format(each), { value: String(each) })));
}

function fill() {
  document.title = `${meta.name} – rsic view`;
  byId("name").textContent = meta.name;
  byId("name").title = meta.name;
  for (const side of ["left", "right"]) {
    byId(side).append(...meta.layers.map((each) => make("option", each.title, { value: each.id })));
    byId(side).addEventListener("change", () => show(side, byId(side).value));
  }
  for (const i of [0, 1, 2]) {
    const select = byId(`band${i}`);
    select.append(...meta.bands.map((name, band) => make("option", `${band + 1}: ${name}`, { value: String(band) })));
    select.value = String(look.bands[i] ?? look.bands[0]);
    select.addEventListener("change", chooseBands);
  }
  byId("grey").checked = look.bands.length === 1;
  byId("grey").disabled = meta.bands.length < 3;
  byId("grey").addEventListener("change", chooseBands);
  byId("band1").hidden = byId("band2").hidden = look.bands.length === 1;
  byId("cut").append(...meta.cuts.map((cut) => make("option",
    cut < 0 ? "all values of the type" : cut ? `percentiles ${cut} to ${100 - cut}` : "least to greatest",
    { value: String(cut) })));
  byId("cut").value = String(look.cut);
  byId("cut").addEventListener("change", () => { look.cut = Number(byId("cut").value); redraw(); });
  fillScale(look.scale);
  byId("scale").value = String(look.scale);
  byId("scale").addEventListener("change", () => setScale(Number(byId("scale").value)));
  meta.facts.forEach(([label, text]) => byId("facts").append(make("dt", label), make("dd", text)));
  [...meta.promises, ...meta.warnings].forEach((text) => byId("promises").append(make("li", text)));
  if (exported) {
    byId("look").querySelectorAll("select, #grey").forEach((each) => { each.disabled = true; });
    byId("cursor").hidden = true;
    byId("places").hidden = false;
    for (const place of exported.places) {
      const item = make("li"), link = make("button", place.text, { className: "link", type: "button" });
      link.addEventListener("click", () => map.setView([-place.row, place.column], 0, { animate: false }));
      item.append(link);
      if (place.quality.sources) { const box = make("div"); tellQuality(box, place.quality); item.append(box); }
      byId("places").querySelector("ul").append(item);
      L.rectangle([[-place.top, place.left], [-place.bottom, place.right]],
        { pane: "lines", color: "#ff0", weight: 2, fill: false, interactive: false }).addTo(map);
    }
  }
}

function chooseBands() {
  const grey = byId("grey").checked;
  byId("band1").hidden = byId("band2").hidden = grey;
  look.bands = (grey ? [0] : [0, 1, 2]).map((i) => Number(byId(`band${i}`).value));
  redraw();
}

const fit = () => map.fitBounds(corners());
const oneToOne = () => map.setZoom(0);

function swap() {
  const [left, right] = [byId("left").value, byId("right").value];
  show("left", right);
  show("right", left);
}

function rescale(step) {
  const options = byId("scale").options, next = options[byId("scale").selectedIndex + step];
  if (next && !exported) setScale(Number(next.value));
}

function toggleLines() {
  if (grid) grid.remove();
  grid = null;
  drawLines();
}

function keys() {
  const does = {
    "[": () => swipe(share - 0.05), "]": () => swipe(share + 0.05), x: swap, f: fit, o: oneToOne, p: togglePanel,
    b: () => swipe(share === 1 ? 0 : share === 0 ? 0.5 : 1), ",": () => rescale(-1), ".": () => rescale(1),
    g: () => { byId("lines").checked = !byId("lines").checked; toggleLines(); }, "?": () => byId("help").showModal(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
    if (["SELECT", "INPUT"].includes(event.target.tagName)) return;
    const digit = /^Digit([1-9])$/.exec(event.code), layer = digit && meta.layers[digit[1] - 1];
    if (layer) show(event.shiftKey ? "left" : "right", layer.id);
    else if (!digit && does[event.key]) does[event.key]();
    else return;
    event.preventDefault();
  });
  const divider = byId("divider");
  const drag = (event) => {
    const box = byId("map").getBoundingClientRect();
    swipe((event.clientX - box.left) / box.width);
  };
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  divider.addEventListener("pointermove", (event) => { if (divider.hasPointerCapture(event.pointerId)) drag(event); });
  divider.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (!step) return;
    swipe(share + step);
    event.preventDefault();
  });
}

async function start() {
  meta = exported ? exported.meta : await ask("meta.json");
  if (!meta) return;
  look = meta.look;
  map = L.map("map", { crs: L.CRS.Simple, minZoom: -meta.levels - 2, maxZoom: 5, attributionControl: false,
    fadeAnimation: false, zoomSnap: 0.5, zoomDelta: 1, maxBoundsViscosity: 0.8 });
  for (const [name, order] of [["left", 210], ["right", 211], ["lines", 450]]) map.createPane(name).style.zIndex = order;
  map.setMaxBounds(corners().pad(0.75));
  fit();
  fill();
  const there = meta.layers.map((each) => each.id);
  show("left", there[0]);
  show("right", there.includes("repaired") ? "repaired" : there.includes("original") ? "codec" : there[0]);
  map.on("move zoom resize viewreset", clip);
  map.on("zoomend", told);
  map.on("moveend", () => { measure(); drawLines(); });
  map.on("mousemove click", under);
  byId("swap").addEventListener("click", swap);
  byId("fit").addEventListener("click", fit);
  byId("one").addEventListener("click", oneToOne);
  byId("toggle").addEventListener("click", togglePanel);
  byId("ask").addEventListener("click", () => byId("help").showModal());
  byId("lines").addEventListener("change", toggleLines);
  keys();
  clip();
  drawLines();
  byId("map").focus();
  sides.right.once("load", measure); // what is seen comes first, numbers after it
}

start();
