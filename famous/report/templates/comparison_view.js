// The 3D view: three.js is unpacked when the view comes near the window, so that the page opens at once.
"use strict";
(() => {
  const place = document.getElementById("view");
  if (!place || !objects) return;
  const hint = document.getElementById("view-hint");
  const { about, extent } = JSON.parse(document.getElementById("mesh-about").textContent);

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
      if (objects.picked) show(objects.picked);
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

    // One mesh a source and class; each object knows where it lies in it, and has a colour of its own for picking.
    const entries = [null];
    for (const group of groups.values()) {
      const count = group.entries.reduce((sum, entry) => sum + entry.vertices, 0);
      const faces = group.entries.reduce((sum, entry) => sum + entry.faces, 0);
      const position = new Float32Array(3 * count), code = new Uint8Array(3 * count), index = new Uint32Array(3 * faces);
      let corner = 0, face = 0;
      for (const entry of group.entries) {
        const number = entries.push(entry) - 1;
        entry.group = group;
        entry.start = 3 * face;
        for (let k = 0; k < entry.vertices; k += 1) {
          const from = 3 * (entry.corner + k), to = 3 * (corner + k);
          for (let axis = 0; axis < 3; axis += 1) {
            const nm = about.origin[axis] + about.step * places[from + axis] - middle[axis];
            position[to + 2 - axis] = nm * scale;
          }
          code[to] = number >> 16; code[to + 1] = (number >> 8) & 255; code[to + 2] = number & 255;
        }
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
      geometry.setAttribute("color", new THREE.BufferAttribute(code, 3, true));
      geometry.setIndex(new THREE.BufferAttribute(index, 1));
      geometry.computeVertexNormals();
      group.material = new THREE.MeshLambertMaterial({ side: THREE.DoubleSide });
      group.mesh = new THREE.Mesh(geometry, group.material);
      scene.add(group.mesh);
    }
    const byKey = new Map(entries.slice(1).map((entry) => [`${entry.source}/${entry.kind}/${entry.id}`, entry]));

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

    // What lies under the pointer: every object is drawn once in the colour of its number, one pixel of it is read.
    const target = new THREE.WebGLRenderTarget(1, 1);
    const coder = new THREE.MeshBasicMaterial({ vertexColors: true, side: THREE.DoubleSide });
    const at = (x, y) => {
      const kept = { background: scene.background, materials: [...groups.values()].map((group) => group.mesh.material) };
      const hidden = [box, chosen];
      hidden.forEach((thing) => { thing.visible = false; });
      for (const group of groups.values()) group.mesh.material = coder;
      scene.background = new THREE.Color(0);
      const ratio = renderer.getPixelRatio();
      const { width: wide, height: high } = renderer.domElement;
      camera.setViewOffset(wide, high, Math.floor(x * ratio), Math.floor(y * ratio), 1, 1);
      renderer.setRenderTarget(target);
      renderer.render(scene, camera);
      const pixel = new Uint8Array(4);
      renderer.readRenderTargetPixels(target, 0, 0, 1, 1, pixel);
      renderer.setRenderTarget(null);
      camera.clearViewOffset();
      [...groups.values()].forEach((group, k) => { group.mesh.material = kept.materials[k]; });
      hidden.forEach((thing) => { thing.visible = true; });
      scene.background = kept.background;
      draw();
      return entries[(pixel[0] << 16) | (pixel[1] << 8) | pixel[2]] ?? null;
    };

    const part = (entry, name, material) => {
      const geometry = new THREE.BufferGeometry();
      const from = entry.group.mesh.geometry;
      geometry.setAttribute("position", from.attributes.position);
      geometry.setAttribute("normal", from.attributes.normal);
      geometry.setIndex(new THREE.BufferAttribute(from.index.array.slice(entry.start, entry.start + 3 * entry.faces), 1));
      const mesh = new THREE.Mesh(geometry, material);
      mesh.userData.colour = name;
      chosen.add(mesh);
      return geometry;
    };
    const fade = (faint) => {
      for (const group of groups.values()) {
        Object.assign(group.material, { transparent: faint, opacity: faint ? 0.16 : 1, depthWrite: !faint });
        group.material.needsUpdate = true;
      }
    };
    const clear = () => {
      for (const mesh of [...chosen.children]) { chosen.remove(mesh); mesh.geometry.dispose(); mesh.material.dispose(); }
    };
    // The picked object whole, its partners as veils in their colours, all others faint; the camera looks at it.
    const show = (object) => {
      clear();
      const entry = byKey.get(objects.key(object));
      fade(Boolean(entry));
      if (!entry) { draw(); return false; }
      const geometry = part(entry, `--source-${entry.source}`, new THREE.MeshLambertMaterial({ side: THREE.DoubleSide, emissive: 0x1c1c1c }));
      const bounds = new THREE.Box3();
      const point = new THREE.Vector3();
      for (const k of geometry.index.array) bounds.expandByPoint(point.fromBufferAttribute(geometry.attributes.position, k));
      object.partners.forEach((partner) => (partner ? partner[2] : []).forEach((other) => {
        const found = byKey.get(other.join("/"));
        if (found) part(found, `--source-${found.source}`, new THREE.MeshBasicMaterial({ wireframe: true, transparent: true, opacity: 0.75 }));
      }));
      const centre = bounds.getCenter(new THREE.Vector3());
      const reach = bounds.getSize(new THREE.Vector3()).length() / 2;
      const direction = camera.position.clone().sub(controls.target).normalize();
      controls.target.copy(centre);
      camera.position.copy(centre).addScaledVector(direction, Math.max(4.2 * reach / Math.sin((camera.fov * Math.PI) / 360) / 2, 0.05));
      dye();
      draw();
      const screen = centre.clone().project(camera);
      place.dataset.picked = objects.key(object);
      return screen;
    };
    const toggle = () => {
      const on = (name) => new Set([...document.querySelectorAll(`input[name="${name}"]:checked`)].map((input) => Number(input.value)));
      const [sources, kinds] = [on("source"), on("class")];
      for (const group of groups.values()) group.mesh.visible = sources.has(group.source) && kinds.has(group.kind);
      place.dataset.visible = [...groups.values()].filter((group) => group.mesh.visible).map((group) => `${group.source}/${group.kind}`).join(" ");
      draw();
    };
    const reset = () => { clear(); fade(false); delete place.dataset.picked; whole(); draw(); };
    dye(); fit(); whole(); toggle();
    return { at, show, toggle, reset, dye, draw, renderer, scene, camera };
  };

  const show = (object) => view.show(object);
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
  document.addEventListener("picked", ({ detail }) => { if (view) show(detail.object); else start(); });
  document.getElementById("view-reset").addEventListener("click", () => view?.reset());
  for (const input of document.querySelectorAll(".switches input")) input.addEventListener("change", () => view?.toggle());
  new IntersectionObserver((seen, watcher) => {
    if (seen.some((entry) => entry.isIntersecting)) { watcher.disconnect(); start(); }
  }, { rootMargin: "300px" }).observe(place);
})();
