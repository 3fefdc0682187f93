// The object table: sorted, filtered and paged here; `picked` tells the 3D view what was chosen, and hears from it.
"use strict";
const objects = (() => {
  const data = document.getElementById("object-data");
  if (!data) return null;
  const { sources, classes, words, units, rows } = JSON.parse(data.textContent);
  const all = rows.map(([source, kind, id, volume, area, centre, border, score, partners], index) =>
    ({ index, source, kind, id, volume, area, centre, border, score, partners }));
  const key = (object) => `${object.source}/${object.kind}/${object.id}`;
  const byKey = new Map(all.map((object) => [key(object), object]));
  return { sources, classes, words, units, all, key, byKey };
})();

if (objects) {
  const PAGE = 100;
  const { sources, classes, words, units, all, key, byKey } = objects;
  const find = (id) => document.getElementById(id);
  const body = document.querySelector("#object-table tbody");
  const state = { sort: "", down: false, page: 0, shown: all, picked: null, away: false };

  const number = (value) => {
    if (value === null) return "–";
    if (units.size === "pixels") return value.toLocaleString("en", { maximumFractionDigits: 1 });
    if (value === 0) return "0";
    if (Number(Math.abs(value).toPrecision(3)) < 1e-6) return value.toExponential(2);
    return value.toLocaleString("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
  };
  const told = (object, source) => {
    if (source === object.source) return "";
    const partner = object.partners[source];
    if (!partner) return "–";
    const [kind, iou, others, why] = partner;
    if (why) return why;
    if (kind === "matched") return iou === null ? words[kind] : iou.toFixed(2);
    const many = others.length > 1 ? ` ×${others.length}` : "";
    if (kind === "confused" && others.length) return classes[others[0][1]];
    return words[kind] + many;
  };
  const values = {
    source: (object) => object.source,
    class: (object) => object.kind,
    id: (object) => object.id,
    volume: (object) => object.volume ?? -1,
  };
  sources.forEach((_, place) => {
    values[`partner-${place}`] = (object) => {
      if (place === object.source) return 3;
      const partner = object.partners[place];
      return partner ? (partner[0] === "matched" ? partner[1] : partner[0] === "missed" || partner[0] === "invented" ? (partner[1] ?? 0) - 1 : 0) : 2;
    };
  });

  const draw = () => {
    const last = Math.max(0, Math.ceil(state.shown.length / PAGE) - 1);
    state.page = Math.min(Math.max(state.page, 0), last);
    const start = state.page * PAGE;
    body.replaceChildren(...state.shown.slice(start, start + PAGE).map((object) => {
      const row = document.createElement("tr");
      row.dataset.key = key(object);
      row.tabIndex = 0;
      row.setAttribute("aria-selected", String(object === state.picked && !state.away));
      const cells = [sources[object.source], classes[object.kind], String(object.id), number(object.volume)];
      cells.forEach((text, place) => {
        const cell = document.createElement("td");
        if (place === 0) {
          const dot = document.createElement("span");
          dot.className = "dot";
          dot.style.background = `var(--source-${object.source})`;
          cell.append(dot);
        }
        cell.append(text);
        if (place === 1) cell.title = text;
        row.append(cell);
      });
      sources.forEach((_, place) => {
        const cell = document.createElement("td");
        cell.textContent = told(object, place);
        const partner = object.partners[place];
        if (place === object.source) cell.className = "own";
        else if (partner && partner[0] !== "matched") { cell.className = partner[3] ? "wrong near" : "wrong"; cell.title = words[partner[0]]; }
        else if (!partner) cell.title = "not compared";
        row.append(cell);
      });
      return row;
    }));
    const end = Math.min(start + PAGE, state.shown.length);
    find("page-range").textContent = state.shown.length ? `${(start + 1).toLocaleString("en")}–${end.toLocaleString("en")} of ${state.shown.length.toLocaleString("en")}` : "no object";
    find("page-back").disabled = state.page === 0;
    find("page-on").disabled = state.page === last;
  };

  const choose = () => {
    const wanted = find("filter-text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [source, kind] = ["filter-source", "filter-class"].map((id) => find(id).value);
    state.shown = all.filter((object) => {
      if (source !== "" && object.source !== Number(source)) return false;
      if (kind !== "" && object.kind !== Number(kind)) return false;
      if (!wanted.length) return true;
      const kinds = object.partners.map((partner) => (partner ? `${words[partner[0]]} ${partner[3] ?? ""}` : "")).join(" ");
      const text = `${sources[object.source]} ${classes[object.kind]} ${kinds}`.toLowerCase();
      return wanted.every((word) => (/^\d+$/.test(word) ? String(object.id) === word || text.includes(word) : text.includes(word)));
    });
    if (state.sort) {
      const value = values[state.sort];
      const turn = state.down ? -1 : 1;
      state.shown.sort((a, b) => turn * (value(a) - value(b)) || a.index - b.index);
    }
    draw();
  };

  const facts = (object) => {
    const place = find("facts");
    if (!object) { place.innerHTML = '<p class="hint">No object is picked.</p>'; return; }
    const head = document.createElement("p");
    const name = document.createElement("strong");
    name.textContent = `${sources[object.source]}, ${classes[object.kind]} ${object.id}`;
    const centre = object.centre.map(number).join(", ");
    const score = object.score === null ? "" : ` · score ${object.score.toFixed(2)}`;
    const area = object.area === null ? "" : ` · ${number(object.area)} µm²`;
    head.append(name, ` · ${number(object.volume)} ${units.size}${area} · centre ${centre} ${units.place} (z, y, x)${object.border ? " · touches the border" : ""}${score}`);
    const list = document.createElement("ul");
    sources.forEach((source, index) => {
      if (index === object.source) return;
      const item = document.createElement("li");
      const partner = object.partners[index];
      item.append(`in ${source}: ${partner ? partner[3] ?? words[partner[0]] : "not compared"}${partner && partner[1] !== null && partner[2].length ? `, IoU ${partner[1].toFixed(2)}` : ""} `);
      (partner ? partner[2] : []).slice(0, 12).forEach(([one, kind, id]) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "partner";
        button.textContent = `${classes[kind]} ${id}`;
        button.addEventListener("click", () => pick(byKey.get(`${one}/${kind}/${id}`)));
        item.append(button, " ");
      });
      list.append(item);
    });
    place.replaceChildren(head, list);
  };

  const pick = (object, from) => {
    if (!object) return;
    state.picked = object;
    state.away = false;
    if (!state.shown.includes(object)) {
      for (const id of ["filter-text", "filter-source", "filter-class"]) find(id).value = "";
      choose();
    }
    state.page = Math.floor(state.shown.indexOf(object) / PAGE);
    draw();
    const row = body.querySelector('tr[aria-selected="true"]');
    const box = find("rows");
    if (from !== "row") box.scrollTop = row.offsetTop - box.clientHeight / 2;
    facts(object);
    objects.picked = object;
    document.dispatchEvent(new CustomEvent("picked", { detail: { object, from } }));
    return row;
  };
  objects.pick = pick;
  // What a switch of the 3D view hides is not marked either, until it is back.
  objects.hide = (away) => {
    if (!state.picked || state.away === away) return;
    state.away = away;
    draw();
    facts(away ? null : state.picked);
  };
  objects.drop = () => {
    state.picked = objects.picked = null;
    draw();
    facts(null);
  };

  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) pick(byKey.get(row.dataset.key), "row");
  });
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      pick(byKey.get(row.dataset.key), "row")?.focus();
    } else if (next) { event.preventDefault(); next.focus(); }
  });
  for (const button of document.querySelectorAll("#object-table thead button")) {
    button.addEventListener("click", () => {
      const same = state.sort === button.dataset.sort;
      state.down = same ? !state.down : button.dataset.sort === "volume";
      state.sort = button.dataset.sort;
      for (const head of document.querySelectorAll("#object-table thead th")) head.setAttribute("aria-sort", "none");
      button.closest("th").setAttribute("aria-sort", state.down ? "descending" : "ascending");
      state.page = 0;
      choose();
    });
  }
  find("filter-text").addEventListener("input", () => { state.page = 0; choose(); });
  for (const id of ["filter-source", "filter-class"]) find(id).addEventListener("change", () => { state.page = 0; choose(); });
  find("page-back").addEventListener("click", () => { state.page -= 1; draw(); find("rows").scrollTop = 0; });
  find("page-on").addEventListener("click", () => { state.page += 1; draw(); find("rows").scrollTop = 0; });
  for (const button of document.querySelectorAll("button[data-object]")) {
    button.addEventListener("click", () => {
      pick(byKey.get(button.dataset.object), "card");
      document.getElementById("objects").scrollIntoView();
    });
  }
  draw();
}
