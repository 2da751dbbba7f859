"use strict";
// What both pages need. Text of others goes into textContent only, never into markup.

const byId = (id) => document.getElementById(id);

function make(tag, text, properties) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  return Object.assign(element, properties);
}

let statusTimer = 0;

function say(text) {
  byId("status").textContent = text;
  byId("status").hidden = !text;
  clearTimeout(statusTimer);
  if (text && map) statusTimer = setTimeout(() => say(""), 12000); // without a map it is all there is to see
}

async function ask(address, signal) {
  let answer;
  try {
    answer = await fetch(address, { signal });
  } catch (error) {
    if (error.name === "AbortError") return null;
    say("rsic view does not answer: it was ended, or the connection was cut");
    return null;
  }
  if (answer.status === 409) return null; // something newer was asked for meanwhile
  if (!answer.ok) {
    say((await answer.text()).trim());
    return null;
  }
  return answer.json();
}

// Calls that come close together become one, made with what the last of them gave.
function later(wait, call) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => call(...given), wait);
  };
}

// One call at a time; of those that come meanwhile the last is made next.
function inTurn(call) {
  let busy = false, next = null;
  const run = async (given) => {
    busy = true;
    try {
      await call(...given);
    } finally {
      busy = false;
      if (next) { const waiting = next; next = null; run(waiting); }
    }
  };
  return (...given) => { if (busy) next = given; else run(given); };
}

function table(head, rows) {
  const made = make("table");
  const line = (cells, tag) => {
    const row = make("tr");
    cells.forEach((cell, i) => row.append(make(tag, cell, { className: i ? "n" : "" })));
    made.append(row);
  };
  line(head, "th");
  rows.forEach((cells) => line(cells, "td"));
  const box = make("div", null, { className: "wide" });
  box.append(made);
  return box;
}

function togglePanel() {
  const hidden = document.body.classList.toggle("no-panel");
  byId("toggle").setAttribute("aria-expanded", String(!hidden));
  map.invalidateSize();
}
