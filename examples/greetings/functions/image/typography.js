'use strict';

/** Breaks a name where the font allows it. The fault `error` gives it no font, to see an honest stack in the trace. */
exports.hyphenate = function hyphenate(name, style) {
  return name.split(' ').map((word) => breakWord(word, style));
};

function breakWord(word, style) {
  return [...word].reduce((width, letter) => width + measure(letter, style), 0);
}

function measure(letter, style) {
  const glyph = glyphOf(letter, style);
  return glyph.advance;
}

function glyphOf(letter, { font }) {
  if (font === undefined) {
    throw new Error(`cannot measure "${letter}": no font is loaded for this card`);
  }
  return font.glyphs[letter];
}
