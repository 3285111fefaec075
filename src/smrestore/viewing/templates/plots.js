function layout(values) {
  return {
    font: FONT, paper_bgcolor: "#fff", plot_bgcolor: "#fff", hovermode: "closest",
    margin: { l: 66, r: 12, t: 32, b: 44 }, legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, ...values,
  };
}

function axis(title, values = {}) {
  return { title: { text: title }, gridcolor: "#e8ebef", zerolinecolor: "#b6bec9", linecolor: "#b6bec9", ...values };
}

function drawProfile(images) {
  const along = Number(byId("along").value);
  const part = byId("part").value;
  const traces = [];
  images.forEach((image, file) => {
    if (!image) return;
    const index = [0, 1, 2].map((a) => indexOf(image.grid, a, state.place[a]));
    const x = image.grid.axes[along];
    const y = x.map((_, i) => {
      index[along] = i;
      const at = 2 * voxel(image.size, index);
      const [re, im] = [image.values[at], image.values[at + 1]];
      return part === "magnitude" ? Math.hypot(re, im) : part === "real" ? re : im;
    });
    const error = quantity("expected_error", file, state.component.channel, state.component.k);
    if (error > 0) {
      // Real and imaginary part share the squared error.
      const half = part === "magnitude" ? error : error / Math.SQRT2;
      traces.push({
        x: [...x, ...[...x].reverse()],
        y: [...y.map((value) => value + half), ...y.map((value) => value - half).reverse()],
        fill: "toself", fillcolor: `${COLORS[file % COLORS.length]}33`, line: { width: 0 }, hoverinfo: "skip",
        name: `expected error of ${data.labels[file]}`, mode: "lines", showlegend: true,
      });
    }
    traces.push({
      x, y, name: data.labels[file], mode: "lines+markers", marker: { size: 4 },
      line: { color: COLORS[file % COLORS.length], width: 1.6 },
    });
  });
  Plotly.react("profile", traces, layout({
    height: 260,
    xaxis: axis(`${AXES[along]} (mm)`),
    yaxis: axis(`${byId("part").selectedOptions[0].textContent} (${data.unit})`, { exponentformat: "power" }),
    shapes: [{ type: "line", x0: state.place[along], x1: state.place[along], yref: "paper", y0: 0, y1: 1,
      line: { color: "#b6bec9", dash: "dot", width: 1 } }],
  }), PLOTLY);
}

function drawBackground() {
  const box = byId("background");
  const packed = data.drift?.deviations[`${state.component.channel} ${state.component.k}`];
  if (!packed) {
    box.textContent = data.drift ? "The background frames do not hold this component." : "";
    return;
  }
  const parts = unpack(packed);
  const lines = ["real part", "imaginary part"].map((name, part) => ({
    x: data.drift.times, y: data.drift.times.map((_, i) => parts[2 * i + part]), name, mode: "lines+markers",
    marker: { size: 4 }, line: { color: COLORS[part + 1], width: 1.2 },
  }));
  Plotly.react(box, lines, layout({
    height: 260,
    margin: { l: 66, r: 12, t: 32, b: 44 },
    xaxis: axis("frame in the order of acquisition"),
    yaxis: axis(`this component (${data.unit})`, { exponentformat: "power" }),
  }), PLOTLY);
}

function drawSpectrum() {
  const name = byId("quantity").value;
  byId("quantity-meaning").textContent = QUANTITIES[name][1];
  const traces = [];
  const many = first.k.length > 5000;
  const rows = layout({
    height: 90 + 175 * data.channels,
    grid: { rows: data.channels, columns: 1, pattern: "coupled", roworder: "top to bottom" },
    margin: { l: 66, r: 12, t: 32, b: 44 },
  });
  rows.xaxis = axis("frequency (kHz)");
  for (let channel = 0; channel < data.channels; channel++) {
    const suffix = channel ? String(channel + 1) : "";
    rows[`yaxis${suffix}`] = axis(`channel ${channel}`, { type: "log", exponentformat: "power", dtick: 1 });
    data.files.forEach((file, number) => {
      const values = file.quantities[name];
      if (!values) return;
      const sorted = rowsWithGaps(file);
      const own = (row) => values[channel * file.k.length + row];
      const label = (row) => `k = ${file.k[row]}${orderText(file, row) ? `, mixing order ${orderText(file, row)}` : ""}`;
      traces.push({
        type: many ? "scattergl" : "scatter", mode: sorted.length < 400 ? "lines+markers" : "lines", marker: { size: 3 }, yaxis: `y${suffix}`, name: data.labels[number],
        legendgroup: data.labels[number], showlegend: channel === 0,
        x: sorted.map((row) => (row === null ? null : file.kHz[row])),
        y: sorted.map((row) => (row !== null && own(row) > 0 ? own(row) : null)),
        text: sorted.map((row) => (row === null ? "" : label(row))),
        hovertemplate: "%{x:.2f} kHz, %{text}: %{y:.3g}<extra>%{fullData.name}</extra>",
        line: { color: COLORS[number % COLORS.length], width: number ? 1.2 : 0.8 },
        opacity: number ? 0.85 : 0.7,
      });
    });
    const marked = data.components.filter((component) => component.channel === channel);
    const reference = data.files.findIndex((file) => file.quantities[name]);
    traces.push(dots(marked, reference, name, suffix, { size: 5, color: "#1c2430", opacity: 0.55 }, "on this page", channel === 0));
    const selected = marked.filter((component) => component === state.component);
    traces.push(dots(selected, reference, name, suffix,
      { size: 13, color: "rgba(0,0,0,0)", line: { color: "#c4001a", width: 2.5 } }, "shown above", channel === state.channel));
  }
  Plotly.react("spectrum", traces, rows, PLOTLY).then((plot) => listen(plot));
}

// Rows by frequency, with null where so many frequencies are not stored that a line would mislead.
function rowsWithGaps(file) {
  const sorted = Array.from(file.k.keys()).sort((a, b) => file.k[a] - file.k[b]);
  const gap = (file.k[sorted.at(-1)] - file.k[sorted[0]]) / 40;
  return sorted.flatMap((row, i) => (i && file.k[row] - file.k[sorted[i - 1]] > gap ? [null, row] : [row]));
}

function dots(components, file, name, suffix, marker, label, showlegend) {
  return {
    mode: "markers", yaxis: `y${suffix}`, name: label, showlegend, legendgroup: label, marker,
    x: components.map((component) => data.files[file].kHz[data.files[file].rowOf.get(component.k)]),
    y: components.map((component) => quantity(name, file, component.channel, component.k)),
    customdata: components.map((component) => data.components.indexOf(component)),
    text: components.map((component) => `k = ${component.k}${component.order ? `, mixing order ${component.order}` : ""}`),
    hovertemplate: "%{x:.2f} kHz, %{text}: %{y:.3g}<extra></extra>",
  };
}

function listen(plot) {
  if (plot.listens) return;
  plot.listens = true;
  plot.on("plotly_click", (event) => {
    const hit = event.points.find((point) => point.customdata !== undefined && point.customdata !== null);
    if (hit) choose(data.components[hit.customdata]);
  });
}

// Mixing orders of two axes as a map; with three, in the plane of the shown component.
function drawMap() {
  const file = data.files[Number(byId("map-file").value)];
  const driven = [0, 1, 2].filter((a) => first.driven[a]);
  const name = byId("quantity").value;
  const values = file.quantities[name];
  byId("map-plot").hidden = !file.orders || driven.length < 2;
  if (byId("map-plot").hidden) return;
  const [h, v, across] = driven;
  const row = file.rowOf.get(state.component.k);
  const plane = across === undefined || row === undefined ? null : file.orders[3 * row + across];
  const cells = [];
  file.k.forEach((k, i) => {
    const order = file.orders.subarray(3 * i, 3 * i + 3);
    const value = values?.[state.channel * file.k.length + i];
    if (order[0] !== NO_ORDER && (plane === null || order[across] === plane) && value > 0) {
      cells.push({ k, x: order[h], y: order[v], value: Math.log10(value) });
    }
  });
  const xs = range(cells.map((cell) => cell.x)), ys = range(cells.map((cell) => cell.y));
  const z = ys.map(() => xs.map(() => null));
  const customdata = ys.map(() => xs.map(() => null));
  const shown = new Map(data.components.map((component, i) => [`${component.channel} ${component.k}`, i]));
  for (const cell of cells) {
    z[cell.y - ys[0]][cell.x - xs[0]] = cell.value;
    customdata[cell.y - ys[0]][cell.x - xs[0]] = shown.get(`${state.channel} ${cell.k}`) ?? null;
  }
  const current = cells.filter((cell) => cell.k === state.component.k);
  Plotly.react("map", [
    { type: "heatmap", x: xs, y: ys, z, customdata, colorscale: "Viridis", xgap: 1, ygap: 1, hoverongaps: false,
      colorbar: { title: { text: "log<sub>10</sub>" }, thickness: 12 },
      hovertemplate: `n${AXES[h]} = %{x}, n${AXES[v]} = %{y}: 10^%{z:.2f}<extra></extra>` },
    { mode: "markers", x: current.map((cell) => cell.x), y: current.map((cell) => cell.y), hoverinfo: "skip",
      showlegend: false, marker: { size: 15, color: "rgba(0,0,0,0)", line: { color: "#c4001a", width: 2.5 } } },
  ], layout({
    height: 440, margin: { l: 56, r: 12, t: 44, b: 44 },
    title: { text: `mixing orders, receive channel ${state.channel}` + (plane === null ? "" : `, n${AXES[across]} = ${plane}`),
      font: { size: 13 } },
    xaxis: axis(`n${AXES[h]}`), yaxis: axis(`n${AXES[v]}`),
  }), PLOTLY).then((plot) => listen(plot));
}

function range(values) {
  if (!values.length) return [0];
  const low = Math.min(...values), high = Math.max(...values);
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

function drawDrift() {
  if (!data.drift) return;
  const overall = unpack(data.drift.overall);
  const n = data.drift.times.length;
  const traces = Array.from({ length: data.channels }, (_, channel) => ({
    x: data.drift.times, y: Array.from(overall.subarray(channel * n, (channel + 1) * n)), mode: "lines+markers",
    name: `receive channel ${channel}`, marker: { size: 4 }, line: { color: COLORS[(channel + 1) % COLORS.length], width: 1.4 },
  }));
  Plotly.react("drift-plot", traces, layout({
    height: 280,
    xaxis: axis("frame in the order of acquisition"),
    yaxis: axis("distance to the mean / noise", { rangemode: "tozero" }),
    shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: 1, y1: 1, line: { color: "#4c5868", dash: "dash", width: 1 } }],
  }), PLOTLY);
}

function drawImages() {
  if (!data.reconstructions.length) return;
  const images = data.reconstructions.map((entry) => ({ values: unpack(entry.image), size: entry.grid.size, grid: entry.grid }));
  const peak = Math.max(...images.map((image) => image.values.reduce((a, b) => Math.max(a, b), 0)));
  const plane = planesOf(images[0].grid)[Number(byId("image-plane").value)];
  const place = [...images[0].grid.center];
  place[plane[2]] = images[0].grid.axes[plane[2]][Number(byId("image-slice").value)];
  byId("image-slice-place").textContent = `${AXES[plane[2]]} = ${short(place[plane[2]])} mm`;
  const parent = byId("images");
  parent.replaceChildren();
  images.forEach((image, i) => {
    const { canvas, below } = panel(parent, data.labels[i], "");
    drawPlane(canvas, image, plane, place, peak, paintReal, panelWidth(Math.max(3, images.length + 0.6)));
    canvas.parentElement.style.width = canvas.style.width;
    below.textContent = `largest ${short(image.values.reduce((a, b) => Math.max(a, b), 0))}`;
  });
  const { canvas, below } = panel(parent, "concentration", "");
  drawBar(canvas, peak);
  below.textContent = "relative to the delta sample";
}

function drawBar(canvas, peak) {
  const ratio = window.devicePixelRatio || 1, height = 200;
  canvas.width = 90 * ratio;
  canvas.height = (height + 12) * ratio;
  canvas.style.width = "90px";
  canvas.style.height = `${height + 12}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  for (let y = 0; y < height; y++) {
    const color = 3 * Math.round(255 * (1 - y / (height - 1)));
    pen.fillStyle = `rgb(${realColors[color]}, ${realColors[color + 1]}, ${realColors[color + 2]})`;
    pen.fillRect(0, 6 + y, 16, 1.5);
  }
  pen.fillStyle = "#4c5868";
  pen.font = `11px ${FONT.family}`;
  pen.textBaseline = "middle";
  for (const part of [0, 0.5, 1]) pen.fillText(short(part * peak), 22, 6 + height * (1 - part));
}
