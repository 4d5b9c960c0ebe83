'use strict';

const WIDTH = 640;
const HEIGHT = 360;

/** What is said, which colours it likes, and which way it reads. */
const LANGUAGES = {
  en: { hello: 'Hello', wish: 'May your day be short of errors', colours: ['#1f6feb', '#7ee0ff'] },
  fr: { hello: 'Bonjour', wish: 'Que ta journée soit douce', colours: ['#5b3cc4', '#ff9ecb'] },
  de: { hello: 'Hallo', wish: 'Einen schönen Tag wünsche ich dir', colours: ['#0f766e', '#a7f3d0'] },
  es: { hello: 'Hola', wish: 'Que tengas un día precioso', colours: ['#b4232a', '#ffc46b'] },
  it: { hello: 'Ciao', wish: 'Ti auguro una splendida giornata', colours: ['#166534', '#fde68a'] },
  hi: { hello: 'नमस्ते', wish: 'आपका दिन शुभ हो', colours: ['#c2410c', '#fed7aa'] },
  ja: { hello: 'こんにちは', wish: 'よい一日になりますように', colours: ['#9d174d', '#fbcfe8'] },
  ar: { hello: 'مرحبا', wish: 'أتمنى لك يوما سعيدا', colours: ['#1e3a5f', '#f5d78e'], direction: 'rtl' },
};

/** A sky in the language's colours, with a sun and hills. */
exports.background = function background(language) {
  const [deep, light] = of(language).colours;
  return `
  <defs>
    <linearGradient id="sky" x1="0" y1="0" x2="1" y2="1">
      <stop offset="0" stop-color="${deep}"/>
      <stop offset="1" stop-color="${light}"/>
    </linearGradient>
    <radialGradient id="sun">
      <stop offset="0" stop-color="#fff" stop-opacity=".95"/>
      <stop offset="1" stop-color="#fff" stop-opacity="0"/>
    </radialGradient>
  </defs>
  <rect width="${WIDTH}" height="${HEIGHT}" rx="24" fill="url(#sky)"/>
  <circle cx="520" cy="96" r="110" fill="url(#sun)"/>
  <circle cx="520" cy="96" r="36" fill="#fff" fill-opacity=".9"/>
  ${confetti(language)}
  <path d="M0 286 C120 226 210 318 330 276 S540 232 640 284 V336 Q640 360 616 360 H24 Q0 360 0 336 Z" fill="${deep}" fill-opacity=".35"/>
  <path d="M0 316 C150 268 260 348 400 304 S580 296 640 314 V336 Q640 360 616 360 H24 Q0 360 0 336 Z" fill="${deep}" fill-opacity=".55"/>`;
};

/** The greeting itself. Names come from anybody: they are escaped, and shrink with their length. */
exports.text = function text(name, language) {
  const { hello, wish, direction = 'ltr' } = of(language);
  const line = `${hello}, ${name}!`;
  const size = Math.max(22, Math.min(64, Math.floor(900 / [...line].length)));
  const x = direction === 'rtl' ? WIDTH - 48 : 48;
  const font = "Georgia, 'Noto Serif', 'Noto Sans Devanagari', 'Noto Sans JP', serif";
  return `
  <g fill="#fff" font-family="${font}" direction="${direction}">
    <text x="${x}" y="178" font-size="${size}" font-weight="700">${escapeXml(line)}</text>
    <text x="${x}" y="222" font-size="22" fill-opacity=".88" font-style="italic">${escapeXml(wish)}</text>
  </g>`;
};

exports.card = function card(background, text) {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">${background}${text}
</svg>
`;
};

function of(language) {
  const found = LANGUAGES[language];
  if (!found)
    throw new RangeError(
      `cannot greet in ${JSON.stringify(language)}: known are ${Object.keys(LANGUAGES).join(', ')}`,
    );
  return found;
}

/** Dots along a sunflower's spiral: the same card for the same language, every time. */
function confetti(language) {
  const turn = Math.PI * (3 - Math.sqrt(5));
  const seed = language.charCodeAt(0) + language.charCodeAt(1);
  const dots = [];
  for (let i = 1; i <= 28; i++) {
    const radius = 30 * Math.sqrt(i);
    const x = (320 + 1.9 * radius * Math.cos(i * turn + seed)).toFixed(1);
    const y = (120 + 0.7 * radius * Math.sin(i * turn + seed)).toFixed(1);
    dots.push(
      `<circle cx="${x}" cy="${y}" r="${(1.5 + (i % 4)).toFixed(1)}" fill="#fff" fill-opacity="${(0.15 + (i % 5) * 0.06).toFixed(2)}"/>`,
    );
  }
  return dots.join('');
}

function escapeXml(text) {
  const escaped = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
  // Control characters and lone surrogates are not allowed in XML at all, escaped or not.
  return text
    .toWellFormed()
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (character) => escaped[character]);
}
