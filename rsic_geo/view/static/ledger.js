"use strict";
// Footprints of a batch in longitude and latitude, coloured by state.

let map, drawn = null, extent = null;
let colours = {};

const colour = (state) => `rgb(${colours[state] || "0,0,0"})`;

function inView() {
  const shown = map.getBounds();
  return new URLSearchParams({
    west: shown.getWest(), south: shown.getSouth(), east: shown.getEast(), north: shown.getNorth(),
  });
}

function tell(scene) {
  const place = byId("scene"), list = make("dl");
  place.replaceChildren(make("p", `${scene.name}: ${scene.state}`));
  if (scene.state === "done") place.append(make("a", "Look at it", { href: `scene/${scene.id}/` }));
  scene.facts.forEach(([label, text]) => list.append(make("dt", label), make("dd", text)));
  place.append(list);
}

function choose(scene) {
  tell(scene);
  if (scene.state === "done") location.href = `scene/${scene.id}/`;
}

const draw = inTurn(async () => {
  const found = await ask(`scenes.json?${inView()}`);
  if (!found) return;
  const isFirst = !drawn;
  document.title = `${found.name} – rsic view`;
  byId("name").textContent = found.name;
  colours = Object.fromEntries(found.states.map(([state, , rgb]) => [state, rgb]));
  extent = found.extent;
  byId("states").replaceChildren(...found.states.map(([state, count]) => {
    const item = make("li", `${state}: ${count.toLocaleString("en")}`), key = make("span", null, { className: "key" });
    key.style.background = colour(state);
    item.prepend(key);
    return item;
  }));
  if (drawn) drawn.remove();
  drawn = L.layerGroup();
  for (const scene of found.scenes.slice().reverse()) { // what comes last is seen: what failed
    for (const ring of scene.rings) {
      L.polygon(ring, { color: colour(scene.state), weight: 2, fillOpacity: 0.4 })
        .on("click", () => choose(scene)).on("mouseover", () => tell(scene)).addTo(drawn);
    }
  }
  drawn.addTo(map);
  byId("count").textContent = found.count > found.scenes.length
    ? `${found.scenes.length.toLocaleString("en")} of ${found.count.toLocaleString("en")} scenes; zoom in to see all`
    : `${found.count.toLocaleString("en")} scenes`;
  byId("list").replaceChildren(...found.scenes.slice(0, 200).map((scene) => {
    const item = make("li"), key = make("span", null, { className: "key" });
    const link = make("button", scene.name, { className: "link", type: "button" });
    key.style.background = colour(scene.state);
    link.addEventListener("click", () => choose(scene));
    item.append(key, link);
    return item;
  }));
  if (isFirst) fit();
});

function fit() {
  if (extent) map.fitBounds([[extent[1], extent[0]], [extent[3], extent[2]]], { maxZoom: 14 });
}

function start() {
  map = L.map("map", { crs: L.CRS.EPSG4326, preferCanvas: true, attributionControl: false, minZoom: 0, maxZoom: 20,
    center: [0, 0], zoom: 0, worldCopyJump: false });
  graticule();
  map.on("moveend", () => { draw(); graticule(); });
  byId("fit").addEventListener("click", fit);
  byId("toggle").addEventListener("click", togglePanel);
  draw();
}

let grid = null;

function graticule() {
  if (grid) grid.remove();
  grid = L.layerGroup();
  const shown = map.getBounds(), span = Math.max(shown.getEast() - shown.getWest(), 1e-6) / 6;
  const power = 10 ** Math.floor(Math.log10(span));
  const step = span > 12 ? 30 : span > 5 ? 10 : [5, 2, 1].find((lead) => lead * power <= span) * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const line = (points, at, letters, value) => {
    L.polyline(points, { color: "#56626e", weight: 1, opacity: 0.5, interactive: false }).addTo(grid);
    const text = `${Math.abs(value).toFixed(digits)}°${value ? letters[Number(value < 0)] : ""}`;
    L.marker(at, { interactive: false, keyboard: false,
      icon: L.divIcon({ className: "line-name", html: make("span", text), iconAnchor: [0, 0] }) }).addTo(grid);
  };
  for (let k = Math.ceil(Math.max(-180, shown.getWest()) / step); k * step <= Math.min(180, shown.getEast()); k += 1) {
    line([[-90, k * step], [90, k * step]], [shown.getNorth(), k * step], "EW", k * step);
  }
  for (let k = Math.ceil(Math.max(-90, shown.getSouth()) / step); k * step <= Math.min(90, shown.getNorth()); k += 1) {
    line([[k * step, -180], [k * step, 180]], [k * step, shown.getWest()], "NS", k * step);
  }
  grid.addTo(map);
}

start();
