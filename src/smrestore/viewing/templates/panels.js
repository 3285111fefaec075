function panel(parent, title, role) {
  const box = document.createElement("div");
  box.className = "panel";
  const heading = document.createElement("h4");
  heading.textContent = title;
  if (role) {
    const tag = document.createElement("span");
    tag.className = "role";
    tag.textContent = ` ${role}`;
    heading.append(tag);
  }
  const canvas = document.createElement("canvas");
  const below = document.createElement("p");
  below.className = "below";
  box.append(heading, canvas, below);
  parent.append(box);
  return { canvas, below };
}

function panelWidth(columns) {
  return Math.max(170, Math.min(320, (document.body.clientWidth - 60) / columns - 75));
}

function columnOf(parent) {
  const column = document.createElement("div");
  column.className = "column";
  parent.append(column);
  return column;
}

function drawComponent() {
  const component = state.component;
  const row = first.rowOf.get(component.k);
  const images = data.files.map((_, file) => imageOf(component, file));
  const differences = images.map((image, file) => (file ? difference(image, images[0]) : null));
  const peak = Math.max(...images.map((image) => image?.peak ?? 0));
  const order = component.order ? `, mixing order ${component.order}` : "";
  byId("heading").textContent =
    `Receive channel ${component.channel}, ${first.kHz[row].toFixed(2)} kHz (k = ${component.k})${order}`;
  const own = byId("brightness").value === "own";
  const gain = byId("gain")?.value;
  const parent = byId("panels");
  parent.replaceChildren();
  const width = panelWidth(data.files.length > 2 ? data.files.length : 3.6);
  images.forEach((image, file) => {
    const column = columnOf(parent);
    const role = data.files.length === 1 ? "" : file ? "after" : "before";
    const top = panel(column, data.labels[file], role);
    if (!image) {
      top.below.textContent = "The file does not hold this component.";
      return;
    }
    show(top.canvas, image, own ? image.peak : peak, width);
    top.below.textContent = describe(component, file, image);
    if (!file) return;
    // Two files leave room beside them.
    const lower = panel(data.files.length > 2 ? column : columnOf(parent), "difference", `${data.labels[file]} − ${data.labels[0]}`);
    const change = differences[file];
    if (!change) {
      lower.below.textContent = "The grids share too few voxels for a difference.";
      return;
    }
    const error = quantity("expected_error", file, component.channel, component.k);
    let full = gain === "own" ? change.peak : peak / Number(gain);
    if (gain === "error") full = error > 0 ? 3 * error : peak;
    show(lower.canvas, change, full, width);
    lower.below.textContent = describeDifference(component, file, change, error, gain, full);
  });
  const legend = data.files.length > 2 ? parent.children[0] : columnOf(parent);
  const wheel = panel(legend, "phase and magnitude", "");
  wheel.canvas.parentElement.style.width = "150px";
  drawWheel(wheel.canvas);
  wheel.below.textContent = own
    ? "The rim is the largest magnitude of each image."
    : `The rim is ${short(peak)} ${data.unit}, the largest magnitude of all.`;
  drawProfile(images);
}

function show(canvas, image, peak, width) {
  canvas.className = "image";
  const where = drawPlane(canvas, image, state.plane, state.place, peak, paintComplex, width);
  canvas.parentElement.style.width = canvas.style.width;
  drawCross(canvas, where, state.plane, state.place);
  canvas.addEventListener("click", (event) => {
    const bounds = canvas.getBoundingClientRect();
    const at = [
      (event.clientX - bounds.left - where.box.x) / where.scale + where.start[0],
      (where.box.y + where.box.h - (event.clientY - bounds.top)) / where.scale + where.start[1],
    ];
    state.plane.slice(0, 2).forEach((axis, i) => { state.place[axis] = nearest(first.grid.axes[axis], at[i]); });
    byId("follow").checked = false;
    refresh();
  });
}

function valueAt(image) {
  const index = [0, 1, 2].map((axis) => indexOf(image.grid, axis, state.place[axis]));
  const i = 2 * voxel(image.size, index);
  return [image.values[i], image.values[i + 1]];
}

function describe(component, file, image) {
  const [re, im] = valueAt(image);
  const degrees = Math.round(Math.atan2(im, re) * 180 / Math.PI);
  const lines = [`at the cross ${short(Math.hypot(re, im))} ${data.unit}, ${String(degrees).replace("-", "−")}°`];
  const snr = quantity("snr", file, component.channel, component.k);
  const visible = quantity("peak_to_noise", file, component.channel, component.k);
  lines.push(snr !== null ? `SNR ${short(snr)}` : `largest / visible noise ${short(visible)}`);
  const error = quantity("expected_error", file, component.channel, component.k);
  if (error !== null) {
    lines.push(`expected error ± ${short(error)} ${data.unit} (${short(100 * error / image.peak)} % of the largest)`);
  } else if (data.restored[file]) {
    lines.push("no expected error is stated");
  }
  return lines.join("\n");
}

function describeDifference(component, file, change, error, gain, full) {
  const noise = quantity("noise", 0, component.channel, component.k);
  const lines = [`root mean square ${short(change.rms)} ${data.unit}`];
  if (noise > 0) lines[0] += ` = ${short(change.rms / noise)} × visible noise before`;
  if (error > 0) lines.push(`= ${short(change.rms / error)} × expected error`);
  if (gain === "error" && !(error > 0)) lines.push("no expected error is stated: as bright as the component");
  else lines.push(`full brightness at ${short(full)} ${data.unit}`);
  return lines.join("\n");
}
