const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const TYPES = { float32: Float32Array, int32: Int32Array, int16: Int16Array, uint8: Uint8Array };
const NO_ORDER = 32767;
// The signal-to-noise ratio of the component that is shown first: restoration changes what one sees.
const INSTRUCTIVE = 30;
const COLORS = ["#5b6675", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#8c6d1f", "#56b4e9"];
const AXES = ["x", "y", "z"];
const FONT = { family: "system-ui, DejaVu Sans, Verdana, Arial, sans-serif", size: 12, color: "#1c2430" };
const PLOTLY = { displayModeBar: false, responsive: true };
const QUANTITIES = {
  snr: ["signal-to-noise ratio (background frames)",
    "The signal-to-noise ratio of MPIFiles.jl: signal over the noise of the background frames, or as stored in the " +
    "file. Fitted physics stores another one, which tells what rows are of use: the root mean square of a row over " +
    "its expected error and a quarter of the noise of the calibration. Do not compare both."],
  peak_to_noise: ["largest magnitude / visible noise",
    "Largest magnitude over the noise that second differences of the image show. It needs no background frames. It " +
    "says how smooth a component is, not how true; fine patterns of high mixing orders count as noise."],
  peak: [`largest magnitude (${data.unit})`, "Largest magnitude of each component."],
  noise: [`visible noise (${data.unit})`,
    "Standard deviation of the complex noise that second differences of the image show."],
  expected_error: [`expected error (${data.unit})`,
    "Root mean square error of each component that the restoration expects and states in the file."],
};

function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.data), (letter) => letter.charCodeAt(0));
  return new TYPES[packed.type](bytes.buffer);
}

const complexColors = unpack(data.colors.complex);
const realColors = unpack(data.colors.real);
for (const file of data.files) {
  file.k = unpack(file.k);
  file.kHz = unpack(file.kHz);
  file.orders = file.orders && unpack(file.orders);
  file.rowOf = new Map(Array.from(file.k, (k, row) => [k, row]));
  for (const [name, values] of Object.entries(file.quantities)) {
    file.quantities[name] = values && unpack(values);
  }
}
const first = data.files[0];
const is3D = first.grid.size.every((n) => n > 1);

const state = {
  channel: 0,
  component: null,
  plane: planesOf(first.grid)[0],
  // The cross, in mm: the center of the grid of the first file.
  place: [0, 1, 2].map((axis) => nearest(first.grid.axes[axis], first.grid.center[axis])),
};

function quantity(name, file, channel, k) {
  const values = data.files[file].quantities[name];
  const row = data.files[file].rowOf.get(k);
  return values && row !== undefined ? values[channel * data.files[file].k.length + row] : null;
}

function strength(component) {
  const name = ["snr", "peak_to_noise", "peak"].find((n) => first.quantities[n]);
  return quantity(name, 0, component.channel, component.k) ?? 0;
}

function orderText(file, row) {
  if (!file.orders || file.orders[3 * row] === NO_ORDER) return null;
  const parts = AXES.map((_, axis) => file.orders[3 * row + axis]).filter((_, axis) => file.driven[axis]);
  return `(${parts.join(", ").replaceAll("-", "−")})`;
}

function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return (size >= 1e4 || size < 1e-2 ? value.toExponential(2) : value.toPrecision(3)).replace("-", "−");
}

function nearest(values, wanted) {
  return values.reduce((best, value) => (Math.abs(value - wanted) < Math.abs(best - wanted) ? value : best));
}

function indexOf(grid, axis, place) {
  return grid.axes[axis].indexOf(nearest(grid.axes[axis], place));
}

function planesOf(grid) {
  const planes = [[0, 1, 2], [0, 2, 1], [1, 2, 0]];
  const extended = planes.filter(([h, v]) => grid.size[h] > 1 && grid.size[v] > 1);
  return extended.length ? extended : planes.filter(([h, v]) => grid.size[h] > 1 || grid.size[v] > 1).slice(0, 1);
}
