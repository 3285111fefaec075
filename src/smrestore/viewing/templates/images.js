// A complex image: parts in the unit of the file, x fastest.
function imageOf(component, file) {
  const packed = component.images[file];
  if (!packed) return null;
  const parts = unpack(packed);
  const values = Float32Array.from(parts, (part) => part * packed.scale);
  return { values, size: data.files[file].grid.size, grid: data.files[file].grid, peak: peakOf(values) };
}

function peakOf(values) {
  let largest = 0;
  for (let i = 0; i < values.length; i += 2) largest = Math.max(largest, values[i] ** 2 + values[i + 1] ** 2);
  return Math.sqrt(largest);
}

// On the grid of the one before, if each of its voxels is also one of the other grid.
function difference(after, before) {
  if (!after || !before) return null;
  const places = [0, 1, 2].map((axis) => sharedPlaces(before.grid, after.grid, axis));
  if (places.includes(null)) return null;
  const values = Float32Array.from(before.values, (value) => -value);
  const index = [0, 0, 0];
  for (index[2] = 0; index[2] < before.size[2]; index[2]++) {
    for (index[1] = 0; index[1] < before.size[1]; index[1]++) {
      for (index[0] = 0; index[0] < before.size[0]; index[0]++) {
        const at = 2 * voxel(before.size, index);
        const other = 2 * voxel(after.size, index.map((i, axis) => places[axis][i]));
        values[at] += after.values[other];
        values[at + 1] += after.values[other + 1];
      }
    }
  }
  let sum = 0;
  for (const value of values) sum += value * value;
  return { values, size: before.size, grid: before.grid, peak: peakOf(values), rms: Math.sqrt(2 * sum / values.length) };
}

// Where the voxels of a grid lie in another one along an axis; null if one of them does not.
function sharedPlaces(grid, other, axis) {
  const tolerance = 0.02 * (grid.fov[axis] / grid.size[axis] || 1);
  const places = grid.axes[axis].map((place) => other.axes[axis].findIndex((p) => Math.abs(p - place) <= tolerance));
  return places.includes(-1) ? null : places;
}

function voxel(size, index) {
  return index[0] + size[0] * (index[1] + size[1] * index[2]);
}

function paintComplex(values, i, peak, rgba, at) {
  const { magnitudes, phases } = data.colors;
  const [re, im] = [values[2 * i], values[2 * i + 1]];
  const m = peak > 0 ? Math.min(1, Math.hypot(re, im) / peak) : 0;
  const turn = Math.atan2(im, re) / (2 * Math.PI) + 0.5;
  const color = 3 * (Math.round(m * (magnitudes - 1)) * phases + (Math.round(turn * phases) % phases));
  rgba.set([complexColors[color], complexColors[color + 1], complexColors[color + 2], 255], at);
}

function paintReal(values, i, peak, rgba, at) {
  const color = 3 * Math.round(255 * Math.min(1, Math.max(0, peak > 0 ? values[i] / peak : 0)));
  rgba.set([realColors[color], realColors[color + 1], realColors[color + 2], 255], at);
}

const MARGIN = { left: 42, bottom: 34, top: 6, right: 12 };

function lengths(grid, plane) {
  // Axes of one voxel may have no extent; they are drawn as wide as a voxel of the others.
  return plane.slice(0, 2).map((axis) => grid.fov[axis] > 0 ? grid.fov[axis] : voxelLength(grid));
}

function voxelLength(grid) {
  return Math.min(...[0, 1, 2].filter((a) => grid.size[a] > 1).map((a) => grid.fov[a] / grid.size[a])) || 1;
}

// Draws a plane with its axes in mm; returns where the image lies on the canvas.
function drawPlane(canvas, image, plane, place, peak, paint, width) {
  const { grid, size, values } = image;
  const [h, v, across] = plane;
  const [wide, high] = lengths(grid, plane);
  const scale = Math.min(width / wide, width / high);
  const box = { x: MARGIN.left, y: MARGIN.top, w: wide * scale, h: high * scale };
  const ratio = window.devicePixelRatio || 1;
  const total = [box.w + MARGIN.left + MARGIN.right, box.h + MARGIN.top + MARGIN.bottom];
  canvas.width = Math.round(total[0] * ratio);
  canvas.height = Math.round(total[1] * ratio);
  canvas.style.width = `${total[0]}px`;
  canvas.style.height = `${total[1]}px`;

  const pixels = new ImageData(size[h], size[v]);
  const index = [0, 0, 0];
  index[across] = indexOf(grid, across, place[across]);
  for (index[v] = 0; index[v] < size[v]; index[v]++) {
    for (index[h] = 0; index[h] < size[h]; index[h]++) {
      paint(values, voxel(size, index), peak, pixels.data, 4 * ((size[v] - 1 - index[v]) * size[h] + index[h]));
    }
  }
  const small = document.createElement("canvas");
  small.width = size[h];
  small.height = size[v];
  small.getContext("2d").putImageData(pixels, 0, 0);

  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.imageSmoothingEnabled = false;
  pen.drawImage(small, box.x, box.y, box.w, box.h);
  const start = [h, v].map((axis, i) => grid.center[axis] - [wide, high][i] / 2);
  const toX = (mm) => box.x + (mm - start[0]) * scale;
  const toY = (mm) => box.y + box.h - (mm - start[1]) * scale;
  pen.fillStyle = pen.strokeStyle = "#4c5868";
  pen.font = `11px ${FONT.family}`;
  pen.textAlign = "center";
  pen.textBaseline = "top";
  for (const tick of ticks(start[0], wide)) {
    line(pen, toX(tick), box.y + box.h, toX(tick), box.y + box.h + 4);
    pen.fillText(String(tick).replace("-", "−"), toX(tick), box.y + box.h + 5);
  }
  pen.fillText(`${AXES[h]} (mm)`, box.x + box.w / 2, box.y + box.h + 19);
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const tick of ticks(start[1], high)) {
    line(pen, box.x - 4, toY(tick), box.x, toY(tick));
    pen.fillText(String(tick).replace("-", "−"), box.x - 6, toY(tick));
  }
  pen.save();
  pen.translate(8, box.y + box.h / 2);
  pen.rotate(-Math.PI / 2);
  pen.textAlign = "center";
  pen.fillText(`${AXES[v]} (mm)`, 0, 0);
  pen.restore();
  return { box, start, scale, toX, toY };
}

function line(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

function ticks(start, length) {
  const power = 10 ** Math.floor(Math.log10(length / 4));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => length / s <= 5);
  const marks = [];
  for (let i = Math.ceil(start / step - 1e-6); i * step <= start + length + 1e-6 * step; i++) {
    marks.push(Number((i * step).toPrecision(6)));
  }
  return marks;
}

function drawCross(canvas, where, plane, place) {
  const pen = canvas.getContext("2d");
  const { box, toX, toY } = where;
  const [x, y] = [toX(place[plane[0]]), toY(place[plane[1]])];
  for (const [color, width] of [["rgba(0,0,0,.55)", 2.5], ["rgba(255,255,255,.9)", 1]]) {
    pen.strokeStyle = color;
    pen.lineWidth = width;
    for (const [a, b] of [[-9, -3], [3, 9]]) {
      line(pen, Math.max(box.x, x + a), y, Math.min(box.x + box.w, x + b), y);
      line(pen, x, Math.max(box.y, y + a), x, Math.min(box.y + box.h, y + b));
    }
  }
}

function drawWheel(canvas) {
  const size = 132, radius = 44, center = size / 2, ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.height = size * ratio;
  canvas.style.width = canvas.style.height = `${size}px`;
  const pen = canvas.getContext("2d");
  const pixels = new ImageData(size * ratio, size * ratio);
  for (let row = 0; row < size * ratio; row++) {
    for (let column = 0; column < size * ratio; column++) {
      const x = (column / ratio - center) / radius, y = (center - row / ratio) / radius;
      if (x * x + y * y <= 1) paintComplex([x, y], 0, 1, pixels.data, 4 * (row * size * ratio + column));
    }
  }
  pen.putImageData(pixels, 0, 0);
  pen.scale(ratio, ratio);
  pen.fillStyle = "#4c5868";
  pen.font = `11px ${FONT.family}`;
  pen.textBaseline = "middle";
  for (const [text, x, y, align] of [["0", 50, 0, "left"], ["π/2", 0, 53, "center"], ["π", -50, 0, "right"],
    ["−π/2", 0, -53, "center"]]) {
    pen.textAlign = align;
    pen.fillText(text, center + x, center - y);
  }
}
