'use strict';
(function () {
  const svg = document.getElementById('picture');
  const plot = document.getElementById('plot');
  const axis = document.getElementById('axis');
  const over = document.getElementById('over');
  const brush = document.getElementById('brush');
  const tip = document.getElementById('tip');
  const all = document.getElementById('all');
  const box = svg.viewBox.baseVal;
  const length = box.width;
  const height = box.height;
  const names = over.querySelectorAll('.name');
  let from = 0;
  let to = length;
  let begun = null;

  /* What is said about a mark: kept aside, so that the browser's own tip does not come as well. */
  for (const title of svg.querySelectorAll('title')) {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  }

  function step(width) {
    for (let unit = 1; ; unit *= 10) {
      for (const times of [1, 2, 5]) {
        if (width / (unit * times) <= 12) { return unit * times; }
      }
    }
  }

  function place(element, time) {
    element.style.left = (time - from) / (to - from) * 100 + '%';
  }

  function ticks() {
    const by = step(to - from);
    for (const old of axis.querySelectorAll('.tick')) { old.remove(); }
    for (let time = Math.ceil(from / by) * by; time <= from + (to - from) * 0.97; time += by) {
      const tick = document.createElement('span');
      tick.className = 'tick';
      tick.textContent = +(time / 1000).toFixed(3) + ' s';
      place(tick, time);
      axis.append(tick);
    }
  }

  function draw() {
    const perPixel = (to - from) / plot.clientWidth;
    svg.setAttribute('viewBox', from + ' 0 ' + (to - from) + ' ' + height);
    for (const hatch of svg.querySelectorAll('pattern')) {
      hatch.setAttribute('patternTransform', 'scale(' + perPixel + ' 1) rotate(45)');
    }
    for (const name of names) {
      const begin = Math.max(+name.dataset.t, from);
      const room = +name.dataset.t + +name.dataset.w - begin;
      place(name, begin);
      name.style.display = room > 16 * perPixel ? '' : 'none';
    }
    ticks();
    all.hidden = from === 0 && to === length;
  }

  function zoom(a, b) {
    from = Math.max(0, Math.min(a, b));
    to = Math.min(length, Math.max(a, b));
    if (to - from < 2) { to = Math.min(length, from + 2); from = to - 2; }
    draw();
  }

  function timeAt(event) {
    const where = plot.getBoundingClientRect();
    const part = (event.clientX - where.left) / where.width;
    return from + Math.max(0, Math.min(1, part)) * (to - from);
  }

  plot.addEventListener('pointerdown', function (event) {
    begun = timeAt(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener('pointerup', function (event) {
    const ended = timeAt(event);
    if (begun !== null && Math.abs(ended - begun) > (to - from) / 200) { zoom(begun, ended); }
    begun = null;
    brush.hidden = true;
  });
  plot.addEventListener('pointermove', function (event) {
    const now = timeAt(event);
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const text = under && under.dataset ? under.dataset.tip : null;
    if (begun !== null) {
      const left = (Math.min(begun, now) - from) / (to - from) * 100;
      brush.hidden = false;
      brush.style.left = left + '%';
      brush.style.width = Math.abs(now - begun) / (to - from) * 100 + '%';
    }
    tip.hidden = false;
    tip.textContent = text || (now / 1000).toFixed(3) + ' s';
    const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
    tip.style.left = x + 'px';
    tip.style.top = event.clientY + 16 + 'px';
  });
  plot.addEventListener('pointerleave', function () { tip.hidden = true; });
  plot.addEventListener('dblclick', function () { zoom(0, length); });
  all.addEventListener('click', function () { zoom(0, length); });
  for (const link of document.querySelectorAll('a[data-at]')) {
    link.addEventListener('click', function () {
      zoom(+link.dataset.at - 1500, +link.dataset.at + 1500);
    });
  }
  window.addEventListener('resize', draw);
  draw();
})();
