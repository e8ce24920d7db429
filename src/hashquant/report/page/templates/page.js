(() => {
  "use strict";
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, at = document) => [...at.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  root.classList.add("js");
  all(".controls, .theme").forEach((part) => { part.hidden = false; });

  // Theme: a choice outlives the visit where the browser lets a file keep one.
  const theme = byId("theme");
  const kept = (() => { try { return localStorage.getItem("hashquant-theme") || ""; } catch { return ""; } })();
  const paint = (value) => { if (value) root.dataset.theme = value; else delete root.dataset.theme; };
  theme.value = kept;
  paint(kept);
  theme.addEventListener("change", () => {
    paint(theme.value);
    try { localStorage.setItem("hashquant-theme", theme.value); } catch { /* a choice for this visit */ }
  });

  // Tables: the text of a cell is its first child; small print and marks follow it.
  const textOf = (cell) => (cell && cell.firstChild ? cell.firstChild.textContent : "");
  function numberIn(text) {
    const found = text.replace(/,/g, "").replace("−", "-").match(/-?\d+(\.\d+)?/);
    return found ? parseFloat(found[0]) - (text.startsWith("<") ? 1e-9 : 0) : NaN;
  }

  function sortBy(table, at, down) {
    const numeric = table.tHead.rows[0].cells[at].classList.contains("n");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => {
      const text = textOf(row.cells[at]);
      return { row, text, value: numeric ? numberIn(text) : NaN };
    });
    const sign = down ? -1 : 1;
    keyed.sort((a, b) => {
      if (!numeric) return sign * a.text.localeCompare(b.text, "en", { numeric: true });
      const gaps = Number.isNaN(a.value) - Number.isNaN(b.value);
      return gaps || (Number.isNaN(a.value) ? 0 : sign * (a.value - b.value));
    });
    body.append(...keyed.map((entry) => entry.row));
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      if (!head.textContent.trim()) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const first = head.classList.contains("n") ? "descending" : "ascending";
        const other = first === "descending" ? "ascending" : "descending";
        const now = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((h) => h.hasAttribute("aria-sort") && h.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", now);
        sortBy(table, at, now === "descending");
      });
    });
  }

  function setColumns(table, isShown) {
    const rows = [table.tHead.rows[0], ...table.tBodies[0].rows];
    rows.forEach((row) => [...row.cells].forEach((cell, at) => { cell.hidden = !isShown(at); }));
  }

  function filterable(form) {
    const table = byId(form.dataset.for);
    const said = byId(`${table.id}-shown`);
    const rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells].map((head) => head.textContent.trim());
    const selects = all("select[data-column]", form);
    const places = [...table.tHead.rows[0].cells].flatMap((head, at) => ("alike" in head.dataset ? [at] : []));
    const group = form.querySelector("[data-group]");
    const search = form.querySelector("input");
    function apply() {
      const asked = selects.filter((s) => s.value).map((s) => [Number(s.dataset.column), s.value]);
      const words = search ? search.value.toLowerCase() : "";
      let count = 0;
      rows.forEach((row) => {
        const fits = asked.every(([at, value]) => textOf(row.cells[at]) === value)
          && (!words || row.textContent.toLowerCase().includes(words));
        row.hidden = !fits;
        count += fits;
      });
      const shown = rows.filter((row) => !row.hidden);
      // What all shown rows have in common is said above the table instead of in every row; a cell with
      // small print that differs stays.
      const same = (at, read) => shown.length > 0 && shown.every((row) => read(row.cells[at]) === read(shown[0].cells[at]));
      const alike = places.filter((at) => same(at, textOf));
      const fixed = new Set([...alike, ...asked.map(([at]) => at)].filter((at) => !shown.length || same(at, (cell) => cell.textContent)));
      const grouped = [...table.tHead.rows[0].cells].map((head) => "group" in head.dataset);
      setColumns(table, (at) => {
        if (rows[0].cells[at].scope === "row") return true;
        if (fixed.has(at)) return false;
        if (group && group.value && grouped[at] && String(at) !== group.value) return false;
        return !shown.length || shown.some((row) => row.cells[at].textContent !== "");
      });
      const what = [...new Set([...asked.map(([at]) => at), ...alike])].sort((a, b) => a - b)
        .map((at) => `${heads[at]} ${(asked.find(([place]) => place === at) || [at, textOf(shown[0]?.cells[at])])[1]}`).join(", ");
      said.textContent = `${count} of ${rows.length} rows${what ? `: ${what}` : ""}`;
    }
    selects.forEach((select) => {
      const first = select.querySelector("[data-first]");
      if (first) select.value = first.value;
    });
    metrics(form, table, rows);
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  // Another metric replaces the texts of the columns of code lengths; the first one is kept as it was.
  function metrics(form, table, rows) {
    const choice = form.querySelector("[data-metric]");
    if (!choice) return;
    const places = [...table.tHead.rows[0].cells].flatMap((h, at) => ("group" in h.dataset ? [at] : []));
    const first = rows.map((row) => places.map((at) => [...row.cells[at].childNodes]));
    choice.addEventListener("input", () => {
      const texts = data.metrics[choice.value];
      table.classList.toggle("other-metric", Boolean(texts));
      rows.forEach((row, r) => places.forEach((at, c) => {
        const parts = first[r][c];
        row.cells[at].replaceChildren(...(texts && parts.length ? [texts[r][c]] : parts));
      }));
    });
  }
  all("table").forEach(sortable);
  all("form[data-for]").forEach(filterable);

  // Plots: drawn as report/page/svg.py draws them, in the width at hand.
  const [TOP, RIGHT, BOTTOM, LEFT] = data.margins;
  const SVG = document.querySelector("svg").namespaceURI;
  function node(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function scaleOf(axis, start, stop) {
    const read = axis.log ? (value) => Math.log10(Math.max(value, 1e-9)) : (value) => value;
    const low = read(axis.low);
    const high = read(axis.high);
    return (value) => start + ((read(value) - low) / (high - low)) * (stop - start);
  }

  function drawAxes(panel, across, up, width, height) {
    const floor = height - BOTTOM;
    const side = width - RIGHT;
    const parts = [];
    panel.x.ticks.forEach(([value, text]) => {
      parts.push(node("path", { class: "grid", d: `M${across(value)} ${TOP}V${floor}` }));
      parts.push(node("text", { class: "tick", x: across(value), y: floor + 18 }, text));
    });
    panel.y.ticks.forEach(([value, text]) => {
      parts.push(node("path", { class: "grid", d: `M${LEFT} ${up(value)}H${side}` }));
      parts.push(node("text", { class: "tick left", x: LEFT - 8, y: up(value) + 4 }, text));
    });
    parts.push(node("path", { class: "axis", d: `M${LEFT} ${TOP}V${floor}H${side}` }));
    const middle = (TOP + floor) / 2;
    parts.push(node("text", { class: "name", x: (LEFT + side) / 2, y: height - 8 }, panel.x.label));
    parts.push(node("text", { class: "name", x: 14, y: middle, transform: `rotate(-90 14 ${middle})` }, panel.y.label));
    return parts;
  }

  function markedPlaces(panel, points, order) {
    if (panel.every || !points.length) return points.map((_, at) => at);
    const shift = (order * (Math.sqrt(5) - 1) / 2) % 1;
    const places = points.map(([x]) => x);
    const low = Math.min(...places);
    const high = Math.max(...places);
    const goals = Array.from({ length: data.markers }, (_, k) => low + ((k + shift) / data.markers) * (high - low));
    return [...new Set(goals.map((goal) => places.reduce(
      (best, x, at) => (Math.abs(x - goal) < Math.abs(places[best] - goal) ? at : best), 0)))];
  }

  // A standard deviation is null where a point is of one seed, and absent where all are.
  const known = (sd, at) => Boolean(sd) && typeof sd[at] === "number";
  const plusMinus = (sd, at) => (known(sd, at) ? ` ± ${sd[at].toFixed(4)}` : "");
  const joined = (points) => points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");

  function drawSeries(panel, series, order, across, up) {
    const row = data.rows[series.m];
    const group = node("g", { class: `s m${series.m}` });
    if (series.level) {
      const y = up(series.y[0]);
      group.append(node("path", { class: "ln", d: `M${across(panel.x.low)} ${y}H${across(panel.x.high)}` }));
      return [group, [[across(panel.x.high), y]]];
    }
    const points = series.x.map((x, at) => [across(x), up(series.y[at])]);
    const ends = points.flatMap(([x], at) => (known(series.sd, at)
      ? [[x, up(Math.max(series.y[at] - series.sd[at], 0)), up(Math.min(series.y[at] + series.sd[at], 1))]] : []));
    if (panel.every) {
      ends.forEach(([x, low, high]) => group.append(node("path", { class: "sd", d: `M${x} ${low}V${high}` })));
    } else if (ends.length) {
      const rim = [...ends.map(([x, , high]) => [x, high]), ...ends.map(([x, low]) => [x, low]).reverse()];
      group.append(node("path", { class: "band", d: `M${joined(rim)}z` }));
    }
    group.append(node("path", { class: "ln", d: `M${joined(points)}` }));
    markedPlaces(panel, points, order).forEach((at) => {
      const [x, y] = points[at];
      group.append(node("use", { class: row.filled ? "mk" : "mk hollow", href: `#${row.marker}`, x, y }));
    });
    return [group, points];
  }

  function written(axis, value) {
    if (axis.high <= 1) return value.toFixed(4);
    return Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(3)));
  }

  class Plot {
    constructor(figure, ratio) {
      this.canvas = figure.querySelector(".canvas");
      this.svg = figure.querySelector("svg");
      this.said = figure.querySelector(".reading");
      this.note = figure.querySelector("figcaption");
      this.ratio = ratio;
      this.hidden = new Set();
      this.at = null;
      this.canvas.addEventListener("pointermove", (event) => this.point(event));
      this.canvas.addEventListener("pointerdown", (event) => this.point(event));
      this.canvas.addEventListener("pointerleave", () => { if (document.activeElement !== this.canvas) this.read(null); });
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      this.canvas.addEventListener("blur", () => this.read(null));
      new ResizeObserver(() => { if (this.panel && Math.abs(this.canvas.clientWidth - this.width) > 1) this.draw(); }).observe(this.canvas);
    }

    show(panel) { this.panel = panel; this.draw(); }

    draw() {
      const { panel } = this;
      this.width = Math.max(this.canvas.clientWidth, 240);
      const width = this.width;
      const height = Math.round(Math.min(Math.max(width * this.ratio, 250), 460));
      const across = scaleOf(panel.x, LEFT, width - RIGHT);
      const up = scaleOf(panel.y, height - BOTTOM, TOP);
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const parts = drawAxes(panel, across, up, width, height);
      if (panel.front.length) {
        const [first, ...others] = panel.front;
        const steps = others.map(([x, y]) => `H${across(x)}V${up(y)}`).join("");
        parts.push(node("path", { class: "front", d: `M${across(first[0])} ${up(first[1])}${steps}` }));
      }
      this.lines = [];
      panel.series.forEach((series, order) => {
        if (this.hidden.has(series.m)) return;
        const [group, points] = drawSeries(panel, series, order, across, up);
        this.lines.push({ series, group, points });
        parts.push(group);
      });
      this.cursor = node("g", { class: "cursor" });
      this.floor = height - BOTTOM;
      this.svg.replaceChildren(...parts, this.cursor);
      this.svg.setAttribute("aria-label", `${panel.title}: ${panel.y.label} against ${panel.x.label}. The numbers stand in the table below.`);
      this.canvas.setAttribute("aria-label", `Plot: ${panel.title}`);
      this.note.textContent = panel.note || "";
      this.read(null);
    }

    read(at) {
      this.at = at;
      this.svg.classList.toggle("reads", Boolean(at));
      this.lines.forEach((line, k) => line.group.classList.toggle("on", Boolean(at) && k === at.line));
      if (!at) { this.cursor.replaceChildren(); this.said.textContent = "\u00a0"; return; }
      const { series, points } = this.lines[at.line];
      const [x, y] = points[at.point];
      this.cursor.replaceChildren(
        node("path", { d: `M${x} ${TOP}V${this.floor}M${LEFT} ${y}H${x}` }), node("circle", { cx: x, cy: y, r: 7 }));
      const { x: across, y: up } = this.panel;
      const tip = series.tips[at.point];
      const cost = series.level ? "" : `${across.short} ${written(across, series.x[at.point])}${plusMinus(series.xsd, at.point)}, `;
      this.said.textContent = `${data.rows[series.m].label}${tip ? `, ${tip}` : ""}: ${cost}${up.short} ${written(up, series.y[at.point])}${plusMinus(series.sd, at.point)}`;
    }

    point(event) {
      const box = this.svg.getBoundingClientRect();
      const scale = this.width / box.width;
      const [px, py] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      let best = null;
      let least = Infinity;
      this.lines.forEach((line, k) => line.points.forEach(([x, y], p) => {
        const far = (x - px) ** 2 + (y - py) ** 2;
        if (far < least) { least = far; best = { line: k, point: p }; }
      }));
      this.read(best);
    }

    key(event) {
      if (event.key === "Escape") { this.read(null); return; }
      const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] }[event.key];
      if (!step || !this.lines.length) return;
      event.preventDefault();
      if (!this.at) { this.read({ line: 0, point: 0 }); return; }
      const line = (this.at.line + step[0] + this.lines.length) % this.lines.length;
      const { points } = this.lines[line];
      let point = this.at.point + step[1];
      if (step[0]) {
        const [x] = this.lines[this.at.line].points[this.at.point];
        point = points.reduce((best, p, at) => (Math.abs(p[0] - x) < Math.abs(points[best][0] - x) ? at : best), 0);
      }
      this.read({ line, point: Math.min(Math.max(point, 0), points.length - 1) });
    }
  }

  function legend(name, plots) {
    const boxes = all(`[data-legend="${name}"] input`);
    const apply = () => plots.forEach((plot) => {
      plot.hidden = new Set(boxes.filter((box) => !box.checked).map((box) => Number(box.value)));
      plot.draw();
    });
    boxes.forEach((box) => box.addEventListener("change", apply));
    const choose = (button, isOn) => button.addEventListener("click", () => {
      boxes.forEach((box) => { box.checked = isOn(box); });
      apply();
    });
    const at = document.querySelector(`[data-legend="${name}"]`);
    choose(at.querySelector(".every"), () => true);
    choose(at.querySelector(".none"), () => false);
    // Many methods stand in parts: a part is shown beside the references.
    all(".only", at).forEach((button) => {
      const mine = all("input", button.parentElement);
      choose(button, (box) => mine.includes(box) || data.rows[Number(box.value)].whole);
    });
    all(".firsts", at).forEach((button) => choose(button, (box) => box.defaultChecked));
    boxes.forEach((box) => { box.checked = box.defaultChecked; });
    if (boxes.some((box) => !box.checked)) apply();
  }

  // Curves
  function shareAxis(label, marks) {
    const ticks = marks.map((mark) => [mark, mark.toFixed(2)]);
    return { label, short: label, low: 0, high: marks.at(-1), ticks, log: false };
  }
  function rankAxis(last) {
    const marks = Array.from({ length: String(last).length }, (_, power) => 10 ** power);
    const ticks = marks.map((mark) => [mark, mark.toLocaleString("en-US")]);
    return { label: "rank k", short: "rank", low: 1, high: Math.max(last, 2), ticks, log: true };
  }
  function curvePanel(group, kind) {
    const ranksOf = (series) => series.k || group.k;
    const shares = (parts) => parts && parts.map((part) => (part === null ? null : part / data.parts));
    const last = Math.max(...group.s.map((series) => ranksOf(series).at(-1)));
    const series = group.s.map((one) => ({
      m: one.m,
      x: kind === "pr" ? shares(one.r) : ranksOf(one),
      y: shares(kind === "recall" ? one.r : one.p),
      xsd: kind === "pr" ? shares(one.rs) : null,
      sd: shares(kind === "recall" ? one.rs : one.ps),
      tips: ranksOf(one).map((k) => (kind === "pr" ? `rank ${k.toLocaleString("en-US")}` : "")),
    }));
    return {
      title: `${data.blocks[group.b]}, ${group.bits} bits`,
      x: kind === "pr" ? shareAxis("recall", data.curves[0].marks.recall) : rankAxis(last),
      y: shareAxis(kind === "recall" ? "recall" : "precision", group.marks[kind]),
      series, front: [], every: false,
    };
  }
  function curveNumbers(group) {
    const body = byId("curve-numbers").tBodies[0];
    body.replaceChildren();
    group.s.forEach((series) => {
      const ranks = series.k || group.k;
      const kept = new Set(data.shown.map((k) => ranks.filter((rank) => rank <= k).at(-1)));
      kept.add(ranks.at(-1));
      ranks.forEach((rank, at) => {
        if (!kept.has(rank)) return;
        const row = body.insertRow();
        const head = document.createElement("th");
        head.scope = "row";
        head.className = "row";
        head.textContent = data.rows[series.m].label;
        row.append(head);
        const share = (parts, spread) => (parts[at] / data.parts).toFixed(4)
          + (known(spread, at) ? ` ± ${(spread[at] / data.parts).toFixed(4)}` : "");
        [rank.toLocaleString("en-US"), share(series.p, series.ps), share(series.r, series.rs)].forEach((text) => {
          const cell = row.insertCell();
          cell.className = "n";
          cell.textContent = text;
        });
      });
    });
  }
  if (byId("curve-plot")) {
    const plot = new Plot(byId("curve-plot"), 0.56);
    const choices = ["curve-kind", "curve-block", "curve-bits", "curve-set"].map(byId);
    const caption = byId("curve-numbers-caption").firstChild;
    const update = () => {
      const [kind, block, bits, set] = choices.map((choice) => choice.value);
      const group = data.curves.find((g) => g.b === Number(block) && g.bits === Number(bits) && g.set === Number(set));
      const title = choices[0].selectedOptions[0].textContent;
      const by = set === "0" ? "" : ` (${choices[3].selectedOptions[0].textContent})`;
      if (!group) {
        plot.show({ ...curvePanel(data.curves[0], kind), title: "No curve is stored for this choice", series: [] });
        byId("curve-numbers").tBodies[0].replaceChildren();
        byId("curve-title").textContent = "No curve is stored for this choice";
        return;
      }
      plot.show(curvePanel(group, kind));
      curveNumbers(group);
      byId("curve-title").textContent = `${data.blocks[group.b]}, ${group.bits} bits: ${title}${by}`;
      caption.textContent = `Precision and recall after some ranks: ${data.blocks[group.b]}, ${group.bits} bits${by}.`;
    };
    choices.forEach((choice) => choice.addEventListener("change", update));
    byId("curve-controls").addEventListener("submit", (event) => event.preventDefault());
    update();
    legend("curve-plot", [plot]);
  }

  // Costs
  if (byId("cost-plots")) {
    const figures = all("#cost-plots .plot");
    const plots = figures.map((figure) => new Plot(figure, 0.62));
    const choice = byId("cost-block");
    const update = () => {
      const { name, panels } = data.costs[Number(choice.value)];
      plots.forEach((plot, at) => {
        figures[at].hidden = at >= panels.length;
        if (at < panels.length) plot.show(panels[at]);
      });
      byId("cost-title").textContent = name;
    };
    choice.addEventListener("change", update);
    byId("cost-controls").addEventListener("submit", (event) => event.preventDefault());
    update();
    legend("cost-plots", plots);
  }
})();
