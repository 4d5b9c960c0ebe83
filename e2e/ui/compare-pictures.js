/**
 * Runs in a blank page of the browser, which reads and writes PNG: golden.ts hands this text over. Shrinks the actual picture to the
 * means of squares, compares blocks of those with the golden one, and frames in red what differs. Pictures are PNG, base64.
 */
globalThis.comparePictures = async ({ actual, golden, shrink, block, mostColor }) => {
  const whole = await paint(actual);
  const means = meansOf(whole, shrink);
  const small = paintMeans(means);
  const shrunk = pngOf(small);
  if (golden === '') return { shrunk, framed: '', share: 0, sizes: '' };

  const kept = await paint(golden);
  const sizes = `${small.canvas.width} × ${small.canvas.height}, kept ${kept.canvas.width} × ${kept.canvas.height}`;
  if (kept.canvas.width !== small.canvas.width || kept.canvas.height !== small.canvas.height)
    return { shrunk, framed: actual, share: 1, sizes };

  const now = meansOf(small, block);
  const then = meansOf(kept, block);
  const side = shrink * block;
  let differ = 0;
  whole.strokeStyle = 'red';
  for (let i = 0; i < now.columns * now.rows; i += 1) {
    const off = [0, 1, 2].map((color) => Math.abs(now.sums[i * 3 + color] - then.sums[i * 3 + color]));
    if (Math.max(...off) <= mostColor) continue;
    differ += 1;
    whole.strokeRect((i % now.columns) * side, Math.floor(i / now.columns) * side, side, side);
  }
  return { shrunk, framed: pngOf(whole), share: differ / (now.columns * now.rows), sizes };

  async function paint(base64) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.codePointAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = canvasOf(bitmap.width, bitmap.height);
    context.drawImage(bitmap, 0, 0);
    return context;
  }

  function canvasOf(width, height) {
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    return canvas.getContext('2d', { willReadFrequently: true });
  }

  /** Red, green and blue of squares of `side` pixels, side by side. */
  function meansOf({ canvas }, side) {
    const columns = Math.floor(canvas.width / side);
    const rows = Math.floor(canvas.height / side);
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const sums = new Float32Array(columns * rows * 3);
    for (let y = 0; y < rows * side; y += 1)
      for (let x = 0; x < columns * side; x += 1) {
        const to = (Math.floor(y / side) * columns + Math.floor(x / side)) * 3;
        const from = (y * canvas.width + x) * 4;
        for (let color = 0; color < 3; color += 1) sums[to + color] += data[from + color] / (side * side);
      }
    return { sums, columns, rows };
  }

  function paintMeans({ sums, columns, rows }) {
    const context = canvasOf(columns, rows);
    const pixels = context.createImageData(columns, rows);
    for (let i = 0; i < columns * rows; i += 1) {
      for (let color = 0; color < 3; color += 1) pixels.data[i * 4 + color] = Math.round(sums[i * 3 + color]);
      pixels.data[i * 4 + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
    return context;
  }

  function pngOf({ canvas }) {
    return canvas.toDataURL('image/png').split(',')[1];
  }
};
