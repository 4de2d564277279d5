"use strict";
// The page reads without this; it sorts tables, finds runs, enlarges figures and steps through animations.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  const make = (name, props = {}) => Object.assign(document.createElement(name), props);

  // ---- tables: a heading is a button; a third press gives the order of the report back
  const number = /^[^\d.+\-−]*([+\-−]?(?:\d+\.?\d*|\.\d+)(?:e[+\-−]?\d+)?)/i;
  const valueOf = (cell) => {
    if (cell.dataset.value !== undefined) return cell.dataset.value === "" ? null : Number(cell.dataset.value);
    const text = cell.textContent.trim();
    if (text === "" || text === "–" || text === "—") return null;
    const found = /^[(<]?\s*[+\-−.\d]/.test(text) && number.exec(text);
    return found ? Number(found[1].replaceAll("−", "-")) : text;
  };
  const compare = (a, b, way) => {
    if (a === null || b === null) return (a === null) - (b === null); // what was not measured stands last, always
    if (typeof a === "number" && typeof b === "number") return way * (a - b);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1; // words below numbers: `diverged`
    return way * a.localeCompare(b, undefined, { numeric: true });
  };
  const sortBy = (table, column, order) => {
    const body = table.tBodies[0];
    const rows = table.original ??= Array.from(body.rows);
    all("thead th", table).forEach((head, at) => head.setAttribute("aria-sort", at === column ? order : "none"));
    if (order === "none") return body.append(...rows);
    const way = order === "ascending" ? 1 : -1;
    const keyed = rows.map((row, at) => [valueOf(row.cells[column]), at, row]);
    keyed.sort((a, b) => compare(a[0], b[0], way) || a[1] - b[1]);
    body.append(...keyed.map((each) => each[2]));
  };
  for (const table of all("table.sortable")) {
    if (!table.tBodies[0] || table.tBodies[0].rows.length < 2) continue;
    all("thead th", table).forEach((head, column) => {
      const button = make("button", { type: "button", title: "Sort" });
      const label = make("span");
      label.append(...head.childNodes);
      button.append(label);
      head.append(button);
      head.setAttribute("aria-sort", "none");
      // Better values first: a metric says which way that is.
      const first = head.dataset.first || "ascending";
      const second = first === "ascending" ? "descending" : "ascending";
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        sortBy(table, column, now === "none" ? first : now === first ? second : "none");
      });
    });
  }

  // ---- runs: filter, open, close
  const runs = all("details.run");
  const box = document.getElementById("filter");
  const count = document.getElementById("shown");
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const run of runs) {
      const text = run.words ??= run.dataset.words.toLowerCase();
      const fits = words.every((word) => text.includes(word));
      run.hidden = !fits;
      shown += fits;
      const link = document.getElementById("to-" + run.id);
      if (link) link.hidden = !fits;
    }
    count.textContent = words.length ? `${shown} of ${runs.length}` : "";
  };
  if (box) box.addEventListener("input", filter);
  for (const button of all("[data-open]")) {
    button.addEventListener("click", () => {
      for (const run of runs) if (!run.hidden) run.open = button.dataset.open === "yes";
    });
  }
  const reveal = () => {
    const raw = location.hash.slice(1);
    let name = raw;
    try { name = decodeURIComponent(raw); } catch { /* a name that holds a percent sign */ }
    const target = document.getElementById(name) || document.getElementById(raw);
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();
  const folded = [];
  addEventListener("beforeprint", () => {
    for (const img of all("img[loading]")) img.loading = "eager";
    films.forEach((figure) => { if (figure.querySelector("img")) begin(figure); });
    for (const details of all("main details:not([open])")) { details.open = true; folded.push(details); }
  });
  addEventListener("afterprint", () => { while (folded.length) folded.pop().open = false; });

  // ---- contents: closed where they would push the text away, and saying where one is
  const contents = document.querySelector(".contents details");
  const wide = matchMedia("(min-width: 68rem)");
  const fold = () => { if (contents) contents.open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
  const links = new Map(all(".contents > details > ol > li > a").map((a) => [a.hash.slice(1), a]));
  if ("IntersectionObserver" in window) {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        links.forEach((a) => a.classList.remove("here"));
        links.get(entry.target.id)?.classList.add("here");
      }
    }, { rootMargin: "-10% 0px -80%" });
    all("main > section[id]").forEach((section) => seen.observe(section));
  }

  // ---- copying the command
  for (const button of all("button[data-copy]")) {
    const text = button.parentElement.querySelector("code").textContent;
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text.trim()); button.textContent = "Copied"; }
      catch { getSelection().selectAllChildren(button.parentElement.querySelector("code")); }
    });
  }

  // ---- animations: a GIF is taken apart, so that one can step through it
  const decodeGif = (bytes) => {
    let at = 6;
    const word = () => bytes[at++] | bytes[at++] << 8;
    const palette = (flags) => flags & 128 ? bytes.subarray(at, at += 3 << (flags & 7) + 1) : null;
    const blocks = () => {
      const parts = [];
      for (let size; (size = bytes[at++]);) { parts.push(bytes.subarray(at, at + size)); at += size; }
      return parts;
    };
    const width = word(), height = word(), flags = bytes[at];
    at += 3;
    const common = palette(flags);
    const canvas = new ImageData(width, height), frames = [];
    let clear = -1, disposal = 0, delay = 10;
    while (at < bytes.length) {
      const kind = bytes[at++];
      if (kind === 0x21) {
        const label = bytes[at++], [control] = blocks();
        if (label === 0xf9) {
          disposal = control[0] >> 2 & 7;
          delay = control[1] | control[2] << 8;
          clear = control[0] & 1 ? control[3] : -1;
        }
      } else if (kind === 0x2c) {
        const left = word(), top = word(), w = word(), h = word(), local = bytes[at++];
        const colours = palette(local) || common, interlaced = local & 64, least = bytes[at++];
        const parts = blocks(), data = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
        parts.reduce((to, part) => (data.set(part, to), to + part.length), 0);
        const before = disposal === 3 ? canvas.data.slice() : null;
        const order = interlaced
          ? [[0, 8], [4, 8], [2, 4], [1, 2]].flatMap(([from, step]) => Array.from({ length: Math.ceil((h - from) / step) }, (_, i) => from + i * step))
          : null;
        unpack(data, least, w * h, (pixel, index) => {
          if (index === clear) return;
          const y = Math.floor(pixel / w), to = ((top + (order ? order[y] : y)) * width + left + pixel % w) * 4;
          canvas.data[to] = colours[index * 3];
          canvas.data[to + 1] = colours[index * 3 + 1];
          canvas.data[to + 2] = colours[index * 3 + 2];
          canvas.data[to + 3] = 255;
        });
        frames.push({ image: new ImageData(canvas.data.slice(), width, height), delay: Math.max(delay, 2) * 10 });
        if (before) canvas.data.set(before);
        if (disposal === 2) for (let y = top; y < top + h; y++) canvas.data.fill(0, (y * width + left) * 4, (y * width + left + w) * 4);
        clear = -1; disposal = 0;
      } else break;
    }
    return { width, height, frames };
  };
  // LZW with codes of growing width (GIF89a, appendix F)
  const unpack = (data, least, total, put) => {
    const stop = 1 << least, prefix = new Int16Array(4096), suffix = new Uint8Array(4096), stack = new Uint8Array(4097);
    let size = least + 1, next = stop + 2, last = -1, first = 0, bits = 0, held = 0, from = 0, pixel = 0;
    for (let code = 0; code < stop; code++) suffix[code] = code;
    while (pixel < total) {
      while (held < size) {
        if (from >= data.length) return;
        bits |= data[from++] << held;
        held += 8;
      }
      let code = bits & (1 << size) - 1;
      bits >>= size;
      held -= size;
      if (code === stop) { size = least + 1; next = stop + 2; last = -1; continue; }
      if (code === stop + 1) return;
      const read = code;
      let depth = 0;
      if (last < 0) { put(pixel++, first = suffix[code]); last = code; continue; }
      if (code >= next) { stack[depth++] = first; code = last; }
      while (code >= stop) { stack[depth++] = suffix[code]; code = prefix[code]; }
      stack[depth++] = first = suffix[code];
      while (depth && pixel < total) put(pixel++, stack[--depth]);
      if (next < 4096) {
        prefix[next] = last;
        suffix[next++] = first;
        if (next === 1 << size && size < 12) size++;
      }
      last = read;
    }
  };
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let playing = 0;
  const player = (figure) => {
    const img = figure.querySelector("img");
    const raw = atob(img.src.slice(img.src.indexOf(",") + 1));
    const { width, height, frames } = decodeGif(Uint8Array.from(raw, (c) => c.charCodeAt(0)));
    if (frames.length < 2) return;
    const epochs = (figure.dataset.epochs || "").split(",").filter(Boolean);
    const name = (at) => epochs.length === frames.length ? `epoch ${epochs[at]}` : `${at + 1} of ${frames.length}`;
    const canvas = make("canvas", { width, height, className: "zoom" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", img.alt);
    const context = canvas.getContext("2d");
    const slider = make("input", { type: "range", min: 0, max: frames.length - 1, step: 1 });
    slider.setAttribute("aria-label", epochs.length ? "Epoch" : "Frame");
    const label = make("output");
    const button = make("button", { type: "button", className: "button" });
    let timer = 0;
    const show = (at) => {
      context.putImageData(frames[at].image, 0, 0);
      slider.value = at;
      label.textContent = name(at);
      slider.setAttribute("aria-valuetext", name(at));
    };
    const stop = () => {
      if (timer) playing--;
      clearTimeout(timer);
      timer = 0;
      button.textContent = "▶ Play";
    };
    const step = () => {
      const at = (Number(slider.value) + 1) % frames.length;
      show(at);
      timer = setTimeout(step, at === frames.length - 1 ? 1500 : Math.max(frames[at].delay, 40));
    };
    button.addEventListener("click", () => {
      if (timer) return stop();
      playing++;
      button.textContent = "❚❚ Pause";
      timer = setTimeout(step, 0);
    });
    slider.addEventListener("input", () => { stop(); show(Number(slider.value)); });
    stop();
    show(frames.length - 1);
    img.replaceWith(canvas);
    const bar = make("div", { className: "player" });
    bar.append(button, slider, label);
    figure.querySelector(".sheet").after(bar);
    zoomable(canvas);
    if (still.matches) stop();
  };

  // ---- one figure, as large as the window
  const box2 = document.getElementById("lightbox");
  const stage = box2.querySelector(".stage"), large = box2.querySelector("img"), words = box2.querySelector("p");
  let shown = null, scale = 1, x = 0, y = 0, size = [1, 1];
  const place = () => {
    large.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    large.classList.toggle("near", scale * (size[2] || 1) > 1.5 && !large.dataset.smooth);
  };
  const fit = () => {
    const room = stage.getBoundingClientRect();
    scale = Math.min(room.width * .96 / size[0], room.height * .96 / size[1]);
    x = (room.width - size[0] * scale) / 2;
    y = (room.height - size[1] * scale) / 2;
    place();
  };
  const zoomAt = (factor, px, py) => {
    const to = Math.min(Math.max(scale * factor, .05), 60);
    x = px - (px - x) * to / scale;
    y = py - (py - y) * to / scale;
    scale = to;
    place();
  };
  const middle = (factor) => { const room = stage.getBoundingClientRect(); zoomAt(factor, room.width / 2, room.height / 2); };
  const visible = () => all(".zoom", document.querySelector("main")).filter((item) => item.offsetParent);
  const open = (item) => {
    shown = item;
    const drawn = item.tagName === "CANVAS";
    large.src = drawn ? item.toDataURL() : item.src;
    size = drawn ? [item.width, item.height] : [Number(item.getAttribute("width")) || item.naturalWidth, Number(item.getAttribute("height")) || item.naturalHeight];
    large.width = size[0];
    large.height = size[1];
    if (item.classList.contains("chart")) large.dataset.smooth = "yes"; else delete large.dataset.smooth;
    const caption = item.closest("figure")?.querySelector("figcaption")?.textContent.trim();
    words.textContent = large.alt = caption || item.alt || "";
    if (!box2.open) box2.showModal();
    fit();
  };
  const turn = (by) => {
    const items = visible(), at = items.indexOf(shown);
    if (items.length) open(items[(at + by + items.length) % items.length]);
  };
  const zoomable = (item) => {
    item.tabIndex = 0;
    if (item.tagName === "IMG") item.setAttribute("role", "button");
    item.title = "Enlarge";
    item.addEventListener("click", () => open(item));
    item.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(item); }
    });
  };
  all("img.zoom").forEach(zoomable);
  box2.addEventListener("close", () => { shown?.focus({ preventScroll: true }); large.removeAttribute("src"); });
  box2.addEventListener("click", (event) => {
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (what === "in") middle(1.4);
    if (what === "out") middle(1 / 1.4);
    if (what === "fit") fit();
    if (what === "next") turn(1);
    if (what === "previous") turn(-1);
    if (what === "close") box2.close();
  });
  box2.addEventListener("keydown", (event) => {
    const act = { "+": () => middle(1.4), "=": () => middle(1.4), "-": () => middle(1 / 1.4), 0: fit, ArrowRight: () => turn(1), ArrowLeft: () => turn(-1) }[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const room = stage.getBoundingClientRect();
    zoomAt(Math.exp(-event.deltaY * (event.deltaMode ? .05 : .0015)), event.clientX - room.left, event.clientY - room.top);
  }, { passive: false });
  const held = new Map();
  let moved = 0;
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    held.set(event.pointerId, event);
    if (held.size === 1) moved = 0;
    stage.classList.add("held");
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
    const other = [...held.values()].find((each) => each.pointerId !== event.pointerId);
    if (other) {
      const gap = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      const room = stage.getBoundingClientRect();
      zoomAt(gap(event) / Math.max(gap(before), 1), other.clientX - room.left, other.clientY - room.top);
    } else {
      x += event.clientX - before.clientX;
      y += event.clientY - before.clientY;
      place();
    }
    held.set(event.pointerId, event);
  });
  const release = (event) => {
    held.delete(event.pointerId);
    if (held.size) return;
    stage.classList.remove("held");
    const over = document.elementFromPoint(event.clientX, event.clientY);
    if (event.type === "pointerup" && moved < 5 && over === stage) box2.close();
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("dblclick", fit);
  addEventListener("resize", () => { if (box2.open) fit(); });

  // ---- players, once they come into sight
  const films = all("figure.film");
  const begin = (figure) => {
    try { player(figure); } catch (error) { console.warn("an animation stays as it is:", error); }
  };
  if ("IntersectionObserver" in window) {
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); begin(entry.target); }
    }, { rootMargin: "400px" });
    films.forEach((figure) => near.observe(figure));
  } else films.forEach(begin);

  // ---- when a page of a run was written, by the reader's clock
  const when = document.getElementById("when");
  if (when) {
    const at = new Date(Number(when.dataset.at) * 1000);
    const tell = () => {
      const age = Math.round((Date.now() - at) / 1000);
      when.textContent = `as of ${at.toLocaleTimeString()}` + (age > 90 ? `, ${Math.round(age / 60)} min ago` : age > 9 ? `, ${age} s ago` : "");
      when.title = at.toLocaleString();
    };
    tell();
    setInterval(tell, 1000);
  }

  // ---- a page of a run that goes on: read again now and then, with everything left as it was
  const every = Number(document.body.dataset.refresh);
  if (every) {
    const name = "retake " + location.pathname;
    try {
      const state = JSON.parse(sessionStorage.getItem(name) || "null");
      if (state) {
        for (const [id, is] of state.folds) { const item = document.getElementById(id); if (item) item.open = is; }
        if (box && state.filter) { box.value = state.filter; filter(); if (state.typing) box.focus(); }
        for (const [at, column, order] of state.sorts) { const table = all("table.sortable")[at]; if (table?.tBodies[0]?.rows[0]?.cells[column]) sortBy(table, column, order); }
        scrollTo({ top: state.y, behavior: "instant" });
      }
    } catch { /* a page that may not remember begins at its top */ }
    const keep = () => {
      const sorts = all("table.sortable").flatMap((table, at) => all("thead th", table).flatMap((head, column) => {
        const order = head.getAttribute("aria-sort");
        return order && order !== "none" ? [[at, column, order]] : [];
      }));
      const state = { y: scrollY, filter: box?.value, typing: document.activeElement === box && !!box, sorts, folds: all("details[id]").map((d) => [d.id, d.open]) };
      try { sessionStorage.setItem(name, JSON.stringify(state)); } catch { /* as above */ }
    };
    const again = () => {
      const busy = box2.open || playing > 0 || document.hidden || String(getSelection()) !== "";
      if (busy) return setTimeout(again, 500);
      keep();
      location.reload();
    };
    setTimeout(again, every * 1000);
  }
})();
