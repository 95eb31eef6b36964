// Draws what the page has as bytes: maps of weights, and strips of values.
(() => {
  const colours = () => ["--s0", "--s1"].map((name) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
  let [blue, orange] = colours();

  // One pixel for each value: how strong is its opacity, which sign its colour, so that it suits any background.
  function paint(canvas, width, height, share) {
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const image = context.createImageData(width, height);
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      const value = share(y, x), colour = value < 0 ? orange : blue;
      image.data.set([...colour, Math.round(255 * Math.min(1, Math.abs(value)))], 4 * (y * width + x));
    }
    context.putImageData(image, 0, 0);
  }

  function strips() {
    for (const place of document.querySelectorAll("[data-strip]")) {
      if (!place.dataset.strip) continue;
      const values = place.dataset.strip.split(" ").map(Number);
      const most = Math.max(...values.map(Math.abs)) || 1;
      const canvas = place.querySelector("canvas") ?? place.appendChild(document.createElement("canvas"));
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `${values.length} values, the largest ${most.toPrecision(3)}`);
      place.dataset.tip = values.slice(0, 24).join("  ") + (values.length > 24 ? " …" : "");
      paint(canvas, values.length, 1, (_, x) => values[x] / most);
    }
  }
  strips();

  const viewer = document.getElementById("viewer");
  if (!viewer) return;
  const facts = JSON.parse(document.getElementById("maps").textContent);
  const packed = Uint8Array.from(atob(document.getElementById("weights").textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  new Response(stream).arrayBuffer().then((buffer) => begin(new Uint8Array(buffer)), failed);

  function failed() {
    document.getElementById("chosen").textContent = "This browser cannot unpack the maps.";
    viewer.hidden = false;
  }

  function begin(bytes) {
    let at = 0;
    for (const map of facts.maps) {
      map.size = map.triangle ? (map.rows * (map.rows + 1)) / 2 : map.rows * map.columns;
      map.at = at;
      at += map.heads * map.size;
      map.shown = map.heads > 1 && !map.gate ? [...map.names, "mean of all heads"] : map.names;
    }
    const weight = (map, head, t, s) => {
      if (head === map.heads) {
        let sum = 0;
        for (let one = 0; one < map.heads; one++) sum += weight(map, one, t, s);
        return sum / map.heads;
      }
      if (map.triangle && s > t) return 0;
      const byte = bytes[map.at + head * map.size + (map.triangle ? (t * (t + 1)) / 2 + s : t * map.columns + s)];
      const root = map.signed ? (byte - 128) / 127 : byte / 255;
      return Math.sign(root) * root * root * map.largest;
    };
    // As dark as its share of the largest; for the eye, small ones are lifted.
    const shade = (map, value) => map.largest ? Math.sign(value) * Math.sqrt(Math.abs(value) / map.largest) : 0;

    let m = facts.start[0], h = facts.start[1], t = -1;
    const thumbs = document.getElementById("thumbs"), buttons = [];
    facts.maps.forEach((map, i) => {
      const row = document.createElement("div"), name = document.createElement("span");
      row.className = "layer";
      name.textContent = map.path + (map.gate ? `: gates ${map.names.map((one) => one.replace(" gate", "")).join(", ")}` : "");
      row.append(name);
      buttons.push(map.shown.map((title, j) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "thumb";
        button.setAttribute("role", "option");
        button.setAttribute("aria-label", `${map.path}, ${title}`);
        button.dataset.tip = `${map.path}, ${title}`;
        button.append(document.createElement("canvas"));
        button.addEventListener("click", () => choose(i, j));
        button.addEventListener("keydown", (event) => walk(event, i, j));
        row.append(button);
        return button;
      }));
      thumbs.append(row);
    });

    function walk(event, i, j) {
      const [down, right] = {ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1]}[event.key] ?? [];
      if (down === undefined) return;
      event.preventDefault();
      const row = Math.max(0, Math.min(buttons.length - 1, i + down));
      const column = Math.max(0, Math.min(buttons[row].length - 1, j + right));
      choose(row, column);
      buttons[row][column].focus();
    }

    const labels = (side, count) => facts.tokens[side] ?? Array.from({length: count}, (_, i) => String(i + 1));
    const from = document.getElementById("from"), to = document.getElementById("to");
    const toSide = document.getElementById("to-side"), large = document.getElementById("large");
    let looking = [], seen = [];

    function choose(i, j) {
      m = i;
      h = j;
      const map = facts.maps[m];
      buttons.forEach((row, a) => row.forEach((button, b) => {
        button.setAttribute("aria-selected", a === m && b === h);
        button.tabIndex = a === m && b === h ? 0 : -1;
      }));
      document.getElementById("chosen").textContent = `${map.path}${map.part ? ` (${map.part})` : ""}, ${map.shown[h]}`;
      const inOne = map.from === map.to;
      document.getElementById("from-name").textContent = map.gate ? "How far the gate is open on average, at each token" :
        inOne ? "Choose a token to see where it looks" :
        "Choose a token of the text to see where in the source it looks, in order to predict the next one";
      document.getElementById("to-name").textContent = "The source";
      toSide.hidden = inOne || Boolean(map.gate);
      looking = fill(from, labels(map.from, map.rows), true);
      seen = inOne ? looking : map.gate ? [] : fill(to, labels(map.to, map.columns), false);
      if (t >= map.rows) t = -1;
      draw();
      shadeTokens();
    }

    function fill(place, words, choosable) {
      const kept = [...place.children].map((one) => one.textContent);
      if (kept.length !== words.length || kept.some((text, i) => text !== words[i])) {
        place.replaceChildren(...words.map((text, i) => {
          const one = document.createElement(choosable ? "button" : "span");
          one.className = "token";
          one.textContent = text;
          if (!choosable) return one;
          one.type = "button";
          one.setAttribute("role", "option");
          one.addEventListener("pointerenter", () => look(i));
          one.addEventListener("focus", () => look(i));
          one.addEventListener("click", () => look(i));
          one.addEventListener("keydown", (event) => {
            const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
            if (!step) return;
            event.preventDefault();
            place.children[Math.max(0, Math.min(place.children.length - 1, i + step))].focus();
          });
          return one;
        }));
      }
      return [...place.children];
    }

    function look(i) {
      if (t === i) return;
      t = i;
      shadeTokens();
      mark();
    }

    function shadeTokens() {
      const map = facts.maps[m];
      for (const one of [...looking, ...seen]) one.style.backgroundColor = "";
      looking.forEach((one, i) => {
        one.setAttribute("aria-selected", i === t);
        one.tabIndex = i === Math.max(0, t) ? 0 : -1;
      });
      const values = map.gate ? looking.map((_, i) => mean(map, i)) : t < 0 ? [] : seen.map((_, s) => weight(map, h, t, s));
      const most = map.gate ? 1 : Math.max(...values.map(Math.abs), 1e-9);
      (map.gate ? looking : seen).forEach((one, s) => {
        if (values[s] === undefined) return;
        const colour = values[s] < 0 ? orange : blue;
        const strong = matchMedia("(prefers-color-scheme: dark)").matches ? 0.45 : 0.6;  // so that the token can be read
        one.style.backgroundColor = `rgb(${colour.join(" ")} / ${strong * Math.abs(values[s]) / most})`;
        one.dataset.tip = values[s].toFixed(4);
      });
    }

    function mean(map, row) {
      let sum = 0;
      for (let s = 0; s < map.columns; s++) sum += weight(map, h, row, s);
      return sum / map.columns;
    }

    const SVG = "http://www.w3.org/2000/svg";
    function add(parent, tag, attributes, text) {
      const one = document.createElementNS(SVG, tag);
      for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
      if (text !== undefined) one.textContent = text;
      parent.append(one);
      return one;
    }

    let marker = null, geometry = null;
    function draw() {
      const map = facts.maps[m], rows = labels(map.from, map.rows), columns = labels(map.to, map.columns);
      const size = (count) => Math.max(2.2, Math.min(20, 560 / count));
      // Fields of attention are square; those of gates need not be, for their columns are features.
      const square = size(Math.max(map.rows, map.columns)), across = map.gate ? size(map.columns) : square, down = map.gate ? size(map.rows) : square;
      const room = (words, cell) => cell >= 9 ? 8 + 6.7 * Math.min(16, Math.max(...words.map((w) => [...w].length))) : 4;
      const left = room(rows, down), top = room(columns, across), wide = map.columns * across, high = map.rows * down;
      const svg = document.createElementNS(SVG, "svg");
      const frame = {viewBox: `0 0 ${left + wide + 8} ${top + high + 8}`, width: left + wide + 8, height: top + high + 8};
      for (const [name, value] of Object.entries({...frame, role: "img"})) svg.setAttribute(name, value);
      svg.setAttribute("aria-label", `${map.path}, ${map.shown[h]}: rows look at columns`);
      const canvas = document.createElement("canvas");
      paint(canvas, map.columns, map.rows, (y, x) => shade(map, weight(map, h, y, x)));
      add(svg, "image", {href: canvas.toDataURL(), x: left, y: top, width: wide, height: high, preserveAspectRatio: "none"});
      add(svg, "rect", {x: left, y: top, width: wide, height: high, class: "frame"});
      const short = (word) => [...word].length > 16 ? `${[...word].slice(0, 15).join("")}…` : word;
      if (down >= 9) {
        rows.forEach((word, i) => add(svg, "text", {x: left - 5, y: top + (i + 0.5) * down + 4, "text-anchor": "end"}, short(word)));
      }
      if (across >= 9) {
        columns.forEach((word, i) => {
          const x = left + (i + 0.5) * across + 4;
          add(svg, "text", {x, y: top - 5, transform: `rotate(-90 ${x} ${top - 5})`}, short(word));
        });
      }
      marker = add(svg, "rect", {x: left, width: wide, height: down, class: "at"});
      geometry = {top, down};
      svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect(), scale = frame.width / box.width;
        const x = ((event.clientX - box.left) * scale - left) / across, y = ((event.clientY - box.top) * scale - top) / down;
        const inside = x >= 0 && y >= 0 && x < map.columns && y < map.rows;
        svg.dataset.tip = inside
          ? `${rows[Math.floor(y)]} → ${columns[Math.floor(x)]}: ${weight(map, h, Math.floor(y), Math.floor(x)).toFixed(4)}` : "";
        const tip = document.getElementById("tip");
        tip.hidden = !inside;
        tip.textContent = svg.dataset.tip;
        if (inside) look(Math.floor(y));
      });
      large.replaceChildren(svg);
      mark();
    }

    function mark() {
      marker.setAttribute("visibility", t < 0 ? "hidden" : "visible");
      if (t >= 0) marker.setAttribute("y", geometry.top + t * geometry.down);
    }

    function all() {
      [blue, orange] = colours();
      buttons.forEach((row, i) => row.forEach((button, j) => {
        const map = facts.maps[i];
        paint(button.firstChild, map.columns, map.rows, (y, x) => shade(map, weight(map, j, y, x)));
      }));
      strips();
      choose(m, h);
    }
    viewer.hidden = false;
    all();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  }
})();
