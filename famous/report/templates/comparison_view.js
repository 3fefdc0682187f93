// The 3D view: three.js is unpacked when the view comes near the window, so that the page opens at once.
"use strict";
(() => {
  const place = document.getElementById("view");
  if (!place || !objects) return;
  const hint = document.getElementById("view-hint");
  const { about, extent, apart } = JSON.parse(document.getElementById("mesh-about").textContent);

  const unpack = async (id) => {
    const text = atob(document.getElementById(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k += 1) bytes[k] = text.charCodeAt(k);
    return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  };
  // Columns of differences with their bytes apart, back to rows of numbers.
  const join = (bytes, start, rows, width, Kind) => {
    const table = new Kind(3 * rows);
    for (let column = 0; column < 3; column += 1) {
      const base = start + column * rows * width;
      let sum = 0;
      for (let row = 0; row < rows; row += 1) {
        let change = 0;
        for (let plane = width - 1; plane >= 0; plane -= 1) change = change * 256 + bytes[base + plane * rows + row];
        sum = width === 2 ? (sum + change) & 0xffff : (sum + change) >>> 0;
        table[3 * row + column] = sum;
      }
    }
    return table;
  };
  // Normals of corners, the mean of the faces round them by area, as whole bytes.
  const normals = (position, index) => {
    const sums = new Float32Array(position.length), rounded = new Int8Array(position.length);
    for (let k = 0; k < index.length; k += 3) {
      const a = 3 * index[k], b = 3 * index[k + 1], c = 3 * index[k + 2];
      const ux = position[b] - position[a], uy = position[b + 1] - position[a + 1], uz = position[b + 2] - position[a + 2];
      const vx = position[c] - position[a], vy = position[c + 1] - position[a + 1], vz = position[c + 2] - position[a + 2];
      const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
      sums[a] += x; sums[a + 1] += y; sums[a + 2] += z;
      sums[b] += x; sums[b + 1] += y; sums[b + 2] += z;
      sums[c] += x; sums[c + 1] += y; sums[c + 2] += z;
    }
    for (let k = 0; k < sums.length; k += 3) {
      const long = 127 / (Math.hypot(sums[k], sums[k + 1], sums[k + 2]) || 1);
      for (let axis = 0; axis < 3; axis += 1) rounded[k + axis] = Math.round(sums[k + axis] * long);
    }
    return rounded;
  };
  // The theme's colours, resolved: a custom property with light-dark() is not.
  const probe = document.createElement("span");
  place.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return new THREE.Color(getComputedStyle(probe).color);
  };

  let view = null;
  const start = async () => {
    if (place.dataset.state !== "waiting") return;
    place.dataset.state = "loading";
    hint.textContent = "Unpacking the meshes …";
    try {
      const [script, data] = await Promise.all([unpack("three"), unpack("mesh-data")]);
      const tag = document.createElement("script");
      tag.textContent = new TextDecoder().decode(script);
      document.head.append(tag);
      view = build(data);
      place.dataset.state = "ready";
      if (objects.picked) view.show(objects.picked);
    } catch (error) {
      place.dataset.state = "failed";
      hint.textContent = `The 3D view does not work in this browser: ${error.message}`;
    }
  };

  const build = (data) => {
    const renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: false });
    renderer.setPixelRatio(Math.min(window.devicePixelRatio, 2));
    place.prepend(renderer.domElement);
    const scene = new THREE.Scene();
    const middle = extent.map((side) => side / 2);
    const scale = 1 / Math.max(...extent);

    // Surfaces of sources that agree lie in each other: a later source is drawn a little behind the earlier ones, or else
    // their colours would flicker. Only depths change, nothing moves; `steps` are counted from the first source.
    const behind = (material, steps) => {
      const away = (steps * apart * scale).toFixed(9);
      material.onBeforeCompile = (shader) => {
        shader.vertexShader = shader.vertexShader.replace("#include <project_vertex>", `#include <project_vertex>
          vec4 farther = projectionMatrix * (mvPosition - vec4(0.0, 0.0, ${away}, 0.0));
          gl_Position.z = farther.z / farther.w * gl_Position.w;`);
      };
      material.customProgramCacheKey = () => away;
      return material;
    };

    const groups = new Map();
    let corners = 0, triangles = 0;
    about.objects.forEach(([source, kind, id, vertices, faces]) => {
      const entry = { source: objects.sources.indexOf(source), kind: objects.classes.indexOf(kind), id, vertices, faces, corner: corners, face: triangles };
      corners += vertices;
      triangles += faces;
      const key = `${entry.source}/${entry.kind}`;
      if (!groups.has(key)) groups.set(key, { source: entry.source, kind: entry.kind, entries: [] });
      groups.get(key).entries.push(entry);
    });
    const places = join(data, 0, corners, 2, Uint16Array);
    const width = about.wide ? 4 : 2;
    const indices = join(data, 6 * corners, triangles, width, about.wide ? Uint32Array : Uint16Array);

    // One mesh a source and class; each object knows where it lies in it, and the ball that it lies in, for picking.
    const entries = [];
    for (const group of groups.values()) {
      const count = group.entries.reduce((sum, entry) => sum + entry.vertices, 0);
      const faces = group.entries.reduce((sum, entry) => sum + entry.faces, 0);
      const position = new Float32Array(3 * count), index = new Uint32Array(3 * faces);
      let corner = 0, face = 0;
      for (const entry of group.entries) {
        entries.push(entry);
        entry.group = group;
        entry.start = 3 * face;
        const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
        for (let k = 0; k < entry.vertices; k += 1) {
          const from = 3 * (entry.corner + k), to = 3 * (corner + k);
          for (let axis = 0; axis < 3; axis += 1) {
            const value = (about.origin[axis] + about.step * places[from + axis] - middle[axis]) * scale;
            position[to + 2 - axis] = value;
            if (value < low[2 - axis]) low[2 - axis] = value;
            if (value > high[2 - axis]) high[2 - axis] = value;
          }
        }
        entry.box = new THREE.Box3(new THREE.Vector3(...low), new THREE.Vector3(...high));
        for (let k = 0; k < entry.faces; k += 1) {
          const from = 3 * (entry.face + k), to = 3 * (face + k);
          // x, y, z is the mirror image of z, y, x: the faces turn round
          index[to] = corner + indices[from]; index[to + 1] = corner + indices[from + 2]; index[to + 2] = corner + indices[from + 1];
        }
        corner += entry.vertices;
        face += entry.faces;
      }
      const geometry = new THREE.BufferGeometry();
      geometry.setAttribute("position", new THREE.BufferAttribute(position, 3));
      geometry.setAttribute("normal", new THREE.BufferAttribute(normals(position, index), 3, true));
      geometry.setIndex(new THREE.BufferAttribute(index, 1));
      group.material = behind(new THREE.MeshLambertMaterial(), group.source);
      group.mesh = new THREE.Mesh(geometry, group.material);
      scene.add(group.mesh);
    }
    const byKey = new Map(entries.map((entry) => [`${entry.source}/${entry.kind}/${entry.id}`, entry]));

    const box = new THREE.LineSegments(
      new THREE.EdgesGeometry(new THREE.BoxGeometry(extent[2] * scale, extent[1] * scale, extent[0] * scale)),
      new THREE.LineBasicMaterial());
    const sky = new THREE.HemisphereLight(0xffffff, 0x8d8d99, 0.62);
    const lamp = new THREE.DirectionalLight(0xffffff, 0.55);
    scene.add(box, sky, lamp);
    const chosen = new THREE.Group();
    scene.add(chosen);
    const dye = () => {
      scene.background = colour("--scene");
      box.material.color = colour("--strong-line");
      for (const group of groups.values()) group.material.color = colour(`--source-${group.source}`);
      for (const mesh of chosen.children) mesh.material.color = colour(mesh.userData.colour);
    };

    const camera = new THREE.PerspectiveCamera(26, 1, 0.001, 50);
    const controls = new THREE.TrackballControls(camera, renderer.domElement);
    controls.rotateSpeed = 2.6; controls.zoomSpeed = 1.1; controls.panSpeed = 0.6;
    controls.staticMoving = true;
    controls.minDistance = 0.02; controls.maxDistance = 20;
    const whole = () => {
      const away = Math.hypot(...extent) * scale / 2 / Math.sin((Math.min(camera.fov, camera.fov * camera.aspect) * Math.PI) / 360);
      controls.target.set(0, 0, 0);
      camera.up.set(0, 0, 1);
      camera.position.set(0.42, -0.79, 0.45).normalize().multiplyScalar(away);
      controls.update();
    };

    let asked = false;
    const draw = () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        controls.update();
        camera.near = Math.max(0.001, 0.01 * camera.position.distanceTo(controls.target)); // for depths fine enough
        camera.updateProjectionMatrix();
        lamp.position.copy(camera.position).add(new THREE.Vector3(0, 0, 0.6 * camera.position.length()));
        renderer.render(scene, camera);
        place.dataset.drawn = String(Number(place.dataset.drawn || 0) + 1);
      });
    };
    const fit = () => {
      const { clientWidth, clientHeight } = place;
      if (!clientWidth || !clientHeight) return;
      renderer.setSize(clientWidth, clientHeight, false);
      camera.aspect = clientWidth / clientHeight;
      camera.updateProjectionMatrix();
      controls.handleResize();
      draw();
    };
    controls.addEventListener("change", draw);
    // TrackballControls moves in update(), which no event calls: each movement of the pointer asks for a picture.
    for (const kind of ["pointermove", "wheel", "pointerdown", "pointerup"]) {
      place.addEventListener(kind, (event) => { if (kind !== "pointermove" || event.buttons) draw(); }, { passive: true });
    }
    window.addEventListener("pointermove", (event) => { if (event.buttons) draw(); });
    new ResizeObserver(fit).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { dye(); draw(); });

    // What lies under the pointer: the ray against the boxes of the objects, and then against the faces of those it meets.
    const caster = new THREE.Raycaster();
    const at = (x, y) => {
      caster.setFromCamera(new THREE.Vector2((2 * x) / place.clientWidth - 1, 1 - (2 * y) / place.clientHeight), camera);
      const { ray } = caster;
      const point = new THREE.Vector3(), [a, b, c] = [new THREE.Vector3(), new THREE.Vector3(), new THREE.Vector3()];
      let best = null, nearest = Infinity;
      for (const entry of entries) {
        if (!entry.group.mesh.visible || !ray.intersectsBox(entry.box)) continue;
        const { attributes: { position }, index } = entry.group.mesh.geometry;
        for (let k = entry.start; k < entry.start + 3 * entry.faces; k += 3) {
          [a, b, c].forEach((corner, turn) => corner.fromBufferAttribute(position, index.array[k + turn]));
          if (!ray.intersectTriangle(a, b, c, false, point)) continue;
          const away = point.distanceTo(ray.origin) + entry.source * apart * scale; // as it is drawn
          if (away < nearest) { nearest = away; best = entry; }
        }
      }
      return best;
    };

    const part = (entry, name, material) => {
      const geometry = new THREE.BufferGeometry();
      const from = entry.group.mesh.geometry;
      geometry.setAttribute("position", from.attributes.position);
      geometry.setAttribute("normal", from.attributes.normal);
      geometry.setIndex(new THREE.BufferAttribute(from.index.array.slice(entry.start, entry.start + 3 * entry.faces), 1));
      const mesh = new THREE.Mesh(geometry, material);
      mesh.userData.colour = name;
      mesh.renderOrder = material.wireframe ? 2 : 1;
      material.transparent = true; // drawn after the veils of the others, which so never hide it
      chosen.add(mesh);
    };
    const veil = Math.max(0.02, 0.1 * Math.sqrt(Math.min(1, 60 / entries.length))); // many veils add up
    const fade = (faint) => {
      for (const group of groups.values()) {
        Object.assign(group.material, { transparent: faint, opacity: faint ? veil : 1, depthWrite: !faint });
        group.material.needsUpdate = true;
      }
    };
    const clear = () => {
      for (const mesh of [...chosen.children]) { chosen.remove(mesh); mesh.geometry.dispose(); mesh.material.dispose(); }
    };
    const on = (name) => new Set([...document.querySelectorAll(`input[name="${name}"]:checked`)].map((input) => Number(input.value)));
    // The picked object whole, its partners as wires in their colours where they stick out of it, all others faint;
    // nothing that is switched off.
    const mark = (object) => {
      clear();
      const [sources, kinds] = [on("source"), on("class")];
      const away = !sources.has(object.source) || !kinds.has(object.kind);
      const entry = away ? undefined : byKey.get(objects.key(object));
      objects.hide(away);
      fade(Boolean(entry));
      place.dataset.picked = entry ? objects.key(object) : "";
      place.dataset.missing = entry || away ? "" : "This object has no mesh in the report.";
      if (!entry) { draw(); return null; }
      part(entry, `--source-${entry.source}`, behind(new THREE.MeshLambertMaterial({ emissive: 0x1c1c1c }), 0));
      object.partners.forEach((partner) => (partner ? partner[2] : []).forEach((other) => {
        const found = byKey.get(other.join("/"));
        if (found && sources.has(found.source) && kinds.has(found.kind)) part(found, `--source-${found.source}`, behind(new THREE.MeshBasicMaterial({ wireframe: true, transparent: true, opacity: 0.75 }), 1 + found.source));
      }));
      dye();
      draw();
      return entry;
    };
    // Mark an object, and look at it.
    const show = (object) => {
      const entry = mark(object);
      if (!entry) return;
      const centre = entry.box.getCenter(new THREE.Vector3());
      const reach = entry.box.getSize(new THREE.Vector3()).length() / 2;
      const direction = camera.position.clone().sub(controls.target).normalize();
      controls.target.copy(centre);
      camera.position.copy(centre).addScaledVector(direction, Math.max(4.2 * reach / Math.sin((camera.fov * Math.PI) / 360) / 2, 0.05));
      draw();
    };
    const toggle = () => {
      const [sources, kinds] = [on("source"), on("class")];
      for (const group of groups.values()) group.mesh.visible = sources.has(group.source) && kinds.has(group.kind);
      place.dataset.visible = [...groups.values()].filter((group) => group.mesh.visible).map((group) => `${group.source}/${group.kind}`).join(" ");
      if (objects.picked) mark(objects.picked);
      draw();
    };
    const reset = () => { clear(); fade(false); objects.drop(); place.dataset.picked = place.dataset.missing = ""; whole(); draw(); };
    dye(); fit(); whole(); toggle();
    return { at, show, toggle, reset, dye, draw, renderer, scene, camera };
  };

  // What is picked in the table or at a picture is to be seen: its switches go on.
  const uncover = (object) => {
    const off = [["source", object.source], ["class", object.kind]]
      .map(([name, value]) => document.querySelector(`input[name="${name}"][value="${value}"]`))
      .filter((input) => !input.checked);
    for (const input of off) input.checked = true;
    if (off.length) view?.toggle();
  };
  let down = null;
  place.addEventListener("pointerdown", (event) => { down = event.button === 0 ? [event.offsetX, event.offsetY] : null; });
  window.addEventListener("pointerup", (event) => {
    if (!view || !down || !place.contains(event.target)) return;
    const moved = Math.hypot(event.offsetX - down[0], event.offsetY - down[1]);
    down = null;
    if (moved > 4) return;
    const entry = view.at(event.offsetX, event.offsetY);
    if (entry) objects.pick(objects.byKey.get(`${entry.source}/${entry.kind}/${entry.id}`), "view");
  });
  document.addEventListener("picked", ({ detail }) => { uncover(detail.object); if (view) view.show(detail.object); else start(); });
  document.getElementById("view-reset").addEventListener("click", () => view?.reset());
  for (const input of document.querySelectorAll(".switches input")) input.addEventListener("change", () => view?.toggle());
  new IntersectionObserver((seen, watcher) => {
    if (seen.some((entry) => entry.isIntersecting)) { watcher.disconnect(); start(); }
  }, { rootMargin: "300px" }).observe(place);
})();
