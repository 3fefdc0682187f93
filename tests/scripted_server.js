() => {
  // A server in the page: a log of edits, idempotent by id, that can be away, behind, or refuse.
  const boxes = new Map(), done = new Set(), ids = new Set(), calls = [];
  const server = {
    away: false, loseAnswers: 0, refuse: null, fail: 0, revision: 0, boxes, done, calls, classes: [{name: "mito",
      color: "#e69f00"}, {name: "er", color: "#56b4e9"}],
    history: [], undone: [], model: null, training: {state: "idle"}, proposals: [], voxels: [40, 5, 5], times: [],
  };
  const inverse = (c) => c.op === "add" ? {op: "remove", box: c.box} : c.op === "remove" ? {op: "add",
    box: c.box} : {...c, from: c.to, to: c.from};
  const make = (c) => {
    if (c.op === "add") boxes.set(c.box.id, c.box);
    if (c.op === "remove") boxes.delete(c.box.id);
    if (c.op === "change") boxes.set(c.id, {...boxes.get(c.id), ...c.to});
    if (c.op === "done") c.to ? done.add(c.z) : done.delete(c.z);
    if (c.op === "classes") server.classes = c.to;
  };
  server.take = (edit) => {
    if (ids.has(edit.id)) return;
    ids.add(edit.id); edit.changes.forEach(make); server.history.push(edit); server.undone = []; server.revision += 1;
  };
  server.state = () => ({
    stack: {name: "phantom", shape: [30, 200, 300], voxel_size_nm: server.voxels, window: [0, 255], inverted: false,
      bits: 8, offset: 0, scale: 1},
    classes: server.classes, boxes: [...boxes.values()], done: [...done], proposed: [3, 9, 20], seconds: {},
      ...turn(), presets: server.presets ?? {}, palette: ["#e69f00"],
    model: server.model, opening: server.opening ?? false, training: server.training, formats: ["yolo"], pyramid: {tile: 512, levels: 1},
  });
  const turn = () => ({revision: server.revision, undo: server.history.at(-1)?.label ?? null,
    redo: server.undone.at(-1)?.label ?? null});
  const reply = (status, body) => new Response(JSON.stringify(body), {status,
    headers: {"Content-Type": "application/json"}});
  const step = (from, to, turned) => {
    const edit = from.pop();
    if (!edit) return reply(422, {error: "there is nothing to take back"});
    const changes = turned ? edit.changes.map(inverse).reverse() : edit.changes;
    changes.forEach(make); to.push(edit); server.revision += 1;
    return reply(200, {...turn(), changes});
  };
  const routes = {
    "/api/state": () => reply(200, server.state()),
    "/api/pulse": () => reply(200, {revision: server.revision, training: server.training,
      model: server.model, opening: server.opening ?? false}),
    "/api/edits": ({base, edits}) => {
      const isKnown = edits.every(({id}) => ids.has(id));
      if (base !== server.revision && !isKnown) return reply(409, {error: "stale", revision: server.revision});
      const bad = edits.find(({label}) => label === server.refuse);
      if (bad) return reply(422, {error: "it does not fit", edit: bad.id});
      edits.forEach(server.take);
      return reply(200, turn());
    },
    "/api/undo": ({base}) => base === server.revision ? step(server.history, server.undone, true) : reply(409,
      {error: "stale"}),
    "/api/redo": ({base}) => base === server.revision ? step(server.undone, server.history, false) : reply(409,
      {error: "stale"}),
    "/api/propose": ({z}) => reply(200, {z, model: server.model?.version, boxes: server.proposals,
      unknown: {axon: 2}}),
    "/api/setup": ({classes, voxel_size_nm: size}) => {
      server.classes = classes; server.voxels = size ?? server.voxels; server.revision += 1;
      return reply(200, turn());
    },
    "/api/histogram": () => reply(200, {low: 0, high: 256, counts: Array.from({length: 256}, (_, i) => i >= 100 &&
      i <= 150 ? 100 : 0)}),
    "/api/weights": () => reply(200, {missing: server.missing ?? null}),
    "/api/train": ({minutes, download}) => {
      server.minutes = minutes; server.download = download; server.training = {state: "running", epoch: 2, epochs: 9, seconds_left: 65};
      return reply(200, {training: server.training});
    },
    "/api/train/stop": () => { server.training = {state: "idle"}; return reply(200, {training: server.training}); },
    "/api/time": (body) => { server.times.push(body); return reply(200, {}); },
    "/api/window": (body) => { server.window = body; return reply(200, {}); },
  };
  globalThis.fetch = async (path, {body} = {}) => {
    const name = path.split("?")[0];
    if (server.away) throw new TypeError("Failed to fetch");
    if (server.gate) await server.gate;
    if (name === "/api/edits" && server.fail > 0) { server.fail -= 1; return reply(503, {error: "the disk is full"});
    }
    const content = body ? JSON.parse(body) : undefined;
    calls.push({name, content});
    const answer = routes[name]?.(content) ?? reply(404, {error: "no such thing"});
    if (name === "/api/edits" && server.loseAnswers > 0) { server.loseAnswers -= 1;
    throw new TypeError("Failed to fetch"); }
    return answer;
  };
  globalThis.server = server;
}
