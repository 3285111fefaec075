function listed() {
  const own = data.components.filter((component) => component.channel === state.channel);
  const sorting = byId("sorting").value;
  if (sorting === "strength") own.sort((a, b) => strength(b) - strength(a));
  if (sorting === "frequency") own.sort((a, b) => a.k - b.k);
  if (sorting === "order") own.sort((a, b) => a.total - b.total || a.k - b.k);
  return own;
}

function fillComponents() {
  const select = byId("component");
  select.replaceChildren(...listed().map((component) => {
    const text = `${first.kHz[component.row].toFixed(2)} kHz  ${component.order ?? `k = ${component.k}`}  · ${short(strength(component))}`;
    return new Option(text, String(data.components.indexOf(component)));
  }));
}

function choose(component, message = "") {
  const other = component.channel !== state.channel;
  state.channel = component.channel;
  state.component = component;
  if (other || !byId("component").options.length) fillComponents();
  byId("message").textContent = message;
  goToPeak();
  refresh(true);
}

// Puts the cross where the component is strongest before restoration, as long as nobody moved it.
function goToPeak() {
  const image = imageOf(state.component, 0);
  if (!byId("follow").checked || !image) return;
  let strongest = 0;
  const size = (i) => Math.hypot(image.values[2 * i], image.values[2 * i + 1]);
  for (let i = 1; i < image.values.length / 2; i++) if (size(i) > size(strongest)) strongest = i;
  const [nx, ny] = image.size;
  const index = [strongest % nx, Math.floor(strongest / nx) % ny, Math.floor(strongest / (nx * ny))];
  state.place = index.map((i, axis) => image.grid.axes[axis][i]);
}

function chooseChannel(channel) {
  if (channel < 0 || channel >= data.channels) return;
  const former = state.component;
  state.channel = channel;
  fillComponents();
  const own = listed();
  choose(own.find((component) => component.k === former?.k) ?? own[0]);
}

function step(change) {
  const own = listed();
  const next = own.indexOf(state.component) + change;
  if (next >= 0 && next < own.length) choose(own[next]);
}

function moveSlice(change) {
  const across = state.plane[2];
  const values = first.grid.axes[across];
  const next = values.indexOf(state.place[across]) + change;
  if (next >= 0 && next < values.length) {
    state.place[across] = values[next];
    byId("follow").checked = false;
    refresh();
  }
}

function goToOrder(text) {
  const numbers = (text.replaceAll("−", "-").match(/-?\d+/g) ?? []).map(Number);
  const wanted = `(${numbers.join(", ").replaceAll("-", "−")})`;
  const own = data.components.filter((component) => component.channel === state.channel);
  const found = own.find((component) => component.order === wanted);
  if (found) return choose(found);
  const row = first.orders ? Array.from(first.k.keys()).find((i) => orderText(first, i) === wanted) : undefined;
  byId("message").textContent = row === undefined
    ? `No frequency of the file has the mixing order ${wanted}.`
    : `The component of mixing order ${wanted} (k = ${first.k[row]}) is in the file, but not on this page.`;
}

function refresh(all = false) {
  const across = state.plane[2];
  byId("component").value = String(data.components.indexOf(state.component));
  for (const button of byId("channels").querySelectorAll("button")) {
    button.classList.toggle("on", Number(button.value) === state.channel);
  }
  byId("slice").max = first.grid.size[across] - 1;
  byId("slice").value = first.grid.axes[across].indexOf(state.place[across]);
  byId("slice-place").textContent = `${AXES[across]} = ${short(state.place[across])} mm`;
  drawComponent();
  if (!all) return;
  drawBackground();
  drawSpectrum();
  drawMap();
}

function setUp() {
  for (let channel = 0; channel < data.channels; channel++) {
    const button = document.createElement("button");
    button.value = button.textContent = String(channel);
    button.addEventListener("click", () => chooseChannel(channel));
    byId("channels").append(button);
  }
  const planes = planesOf(first.grid);
  planes.forEach(([h, v], i) => byId("plane").add(new Option(`${AXES[h]}${AXES[v]}`, String(i))));
  byId("slice-group").style.display = is3D ? "" : "none";
  byId("order-group").style.display = first.orders ? "" : "none";
  [0, 1, 2].filter((a) => first.grid.size[a] > 1).forEach((a) => byId("along").add(new Option(AXES[a], String(a))));
  for (const [name, [title]] of Object.entries(QUANTITIES)) {
    if (data.files.some((file) => file.quantities[name])) byId("quantity").add(new Option(title, name));
  }
  data.labels.forEach((label, i) => byId("map-file").add(new Option(label, String(i))));

  byId("component").addEventListener("change", (event) => choose(data.components[Number(event.target.value)]));
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("sorting").addEventListener("change", () => { fillComponents(); refresh(); });
  byId("order").addEventListener("change", (event) => goToOrder(event.target.value));
  byId("plane").addEventListener("change", (event) => { state.plane = planes[Number(event.target.value)]; refresh(); });
  byId("slice").addEventListener("input", (event) => {
    state.place[state.plane[2]] = first.grid.axes[state.plane[2]][Number(event.target.value)];
    byId("follow").checked = false;
    refresh();
  });
  byId("follow").addEventListener("change", () => { goToPeak(); refresh(); });
  for (const id of ["brightness", "gain", "along", "part"]) byId(id)?.addEventListener("change", () => refresh());
  byId("quantity").addEventListener("change", () => { drawSpectrum(); drawMap(); });
  byId("map-file").addEventListener("change", drawMap);
  window.addEventListener("resize", () => { drawComponent(); drawImages(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, select")) return;
    const moves = {
      ArrowRight: () => step(1), ArrowLeft: () => step(-1),
      ArrowUp: () => is3D && moveSlice(1), ArrowDown: () => is3D && moveSlice(-1),
    };
    if (/^[0-9]$/.test(event.key)) chooseChannel(Number(event.key));
    else if (moves[event.key] && (is3D || event.key.startsWith("ArrowR") || event.key.startsWith("ArrowL"))) {
      moves[event.key]();
      event.preventDefault();
    }
  });
  if (data.reconstructions.length) setUpImages();
}

function setUpImages() {
  const grid = data.reconstructions[0].grid;
  const planes = planesOf(grid);
  planes.forEach(([h, v], i) => byId("image-plane").add(new Option(`${AXES[h]}${AXES[v]}`, String(i))));
  const reset = () => {
    const n = grid.size[planes[Number(byId("image-plane").value)][2]];
    byId("image-slice").max = n - 1;
    byId("image-slice").value = Math.floor((n - 1) / 2);
    drawImages();
  };
  byId("image-controls").style.display = grid.size.every((n) => n > 1) ? "" : "none";
  byId("image-plane").addEventListener("change", reset);
  byId("image-slice").addEventListener("input", drawImages);
  reset();
}

async function load() {
  const text = byId("plotly").textContent;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
}

load().then(() => {
  setUp();
  state.channel = data.components[0].channel;
  fillComponents();
  choose(listed().find((component) => strength(component) <= INSTRUCTIVE) ?? listed().at(-1));
  drawDrift();
  document.body.dataset.ready = "yes";
}).catch((error) => {
  byId("fault").hidden = false;
  byId("fault").textContent = `This browser cannot show the page: ${error.message}. Browsers since 2023 can.`;
  throw error;
});
