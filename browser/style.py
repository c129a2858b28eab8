"""How the pages look, in light and dark, on a laptop and on a phone."""

CSS = """
/* Cut off and not hidden, or what is to stick to the window would stick to this. */
.gradio-container { --fl-blue: #1d4ed8; overflow: clip !important; }
.dark .gradio-container, .dark.gradio-container { --fl-blue: #93c5fd; }
.gradio-container :focus-visible { outline: 3px solid var(--fl-blue) !important;
  outline-offset: 2px; }
.gradio-container :is(input, textarea):focus-visible { outline-offset: -1px; }
.gradio-container.gradio-container .input-container input:focus-visible {
  outline: 3px solid var(--fl-blue) !important; }
.gradio-container [role=tab][aria-selected=true] { color: var(--fl-blue); }
.fl-said { --fl-outcome: #4d5866; padding: .7rem 1.1rem; margin: .2rem 0 .6rem;
  border-left: 5px solid var(--fl-outcome); background: var(--background-fill-secondary); }
.fl-evidence { --fl-outcome: #a84900; }
.fl-difficulty { --fl-outcome: #7b3fa0; }
.fl-unknown { --fl-outcome: #7a5800; }
.dark .fl-said { --fl-outcome: #b3bcc9; }
.dark .fl-evidence { --fl-outcome: #ff9a52; }
.dark .fl-difficulty { --fl-outcome: #d3a6f0; }
.dark .fl-unknown { --fl-outcome: #e6bb52; }
.fl-said p, .fl-said h3 { margin: .25rem 0; color: var(--body-text-color); line-height: 1.5; }
.fl-said h3 { font-size: .92rem; font-weight: 600; }
.fl-said p.fl-badge { color: var(--fl-outcome); font-weight: 700; }
.fl-said p.fl-plain { font-size: 1.2rem; font-weight: 600; line-height: 1.35; }
.fl-also { font-size: .92rem; }
.fl-also p.fl-plain { font-size: 1rem; }
.fl-warn, .fl-note { margin: .3rem 0; color: var(--body-text-color); font-size: .92rem; }
.fl-warn { background: color-mix(in srgb, #e69f00 18%, transparent); padding: .4rem .8rem;
  border-radius: 4px; }
.fl-words { font-size: .88rem; color: var(--body-text-color); margin: .3rem 0; }
.fl-words summary { cursor: pointer; color: var(--fl-blue); padding: .2rem 0; }
.fl-words div { margin: .15rem 0; } .fl-words dt { display: inline; font-weight: 600; }
.fl-words dt::after { content: ": "; } .fl-words dd { display: inline; margin: 0; }
.fl-scroll { overflow-x: auto; container-type: inline-size; }
/* As wide as what is seen of a table, and where it is seen. */
.fl-table caption { position: sticky; left: 0; width: 100cqi; box-sizing: border-box; }
#faces-so-far:not(:has(table)), #language-so-far:not(:has(table)) { display: none; }
/* Gradio shows what is hidden once an event has filled it (seen in 6.31). */
.fl-unseen { display: none !important; }
.fl-growing { margin: .3rem 0; font-size: 1.05rem; font-weight: 600;
  color: var(--body-text-color); }
.fl-curve { margin: .3rem 0; max-width: 30rem; }
.fl-curve svg { width: 100%; height: auto; display: block; }
.fl-curve text { font-size: 11px; fill: var(--body-text-color); }
.fl-curve path { fill: none; stroke-width: 1.8; }
.fl-curve .fl-grid { stroke: var(--border-color-primary); stroke-width: 1; }
.fl-curve figcaption span { font-weight: 600; margin-right: .5rem; }
.fl-curve .fl-target { stroke: #d55e00; fill: #d55e00; }
.fl-curve .fl-other { stroke: #0072b2; fill: #0072b2; }
.fl-curve span.fl-target { color: #a84900; } .fl-curve span.fl-other { color: #0064a0; }
.dark .fl-curve .fl-target { stroke: #ff9a52; fill: #ff9a52; }
.dark .fl-curve .fl-other { stroke: #6cb8ea; fill: #6cb8ea; }
.dark .fl-curve span.fl-target { color: #ff9a52; } .dark .fl-curve span.fl-other { color: #6cb8ea; }
.fl-curve path.fl-target, .fl-curve path.fl-other { fill: none !important; }
.fl-curve .fl-intact { stroke-width: 1; stroke-dasharray: 1 3; }
.fl-curve .fl-drawn { stroke-dasharray: 5 4; stroke-width: 1.3; }
.fl-curve .fl-mark.fl-drawn { fill: var(--background-fill-primary); stroke-dasharray: none; }
table.fl-table { border-collapse: collapse; border: 0; width: 100%; font-size: .86rem;
  font-variant-numeric: tabular-nums; color: var(--body-text-color); }
.fl-table caption { caption-side: bottom; text-align: left; font-size: .8rem; padding-top: .4rem;
  color: var(--body-text-color); }
.fl-table tr { border: 0; background: none; }
.fl-table th, .fl-table td { padding: .3rem .55rem; text-align: right; white-space: nowrap;
  border: 0; border-bottom: 1px solid var(--border-color-primary); font-size: inherit;
  font-family: inherit; font-weight: 400; }
.fl-table thead th { font-weight: 600; }
.fl-table th:first-child { text-align: left; }
.fl-table tr.fl-strong > * { font-weight: 600;
  border-top: 2px solid var(--body-text-color-subdued); }
.fl-runs { max-height: 28rem; overflow: auto; }
.fl-runs caption { caption-side: top; padding: 0 .55rem .4rem; }
.fl-runs th, .fl-runs td { text-align: left !important; vertical-align: top; }
.fl-runs small { display: block; }
.fl-file { color: var(--fl-blue); text-decoration: underline; }
.fl-together caption { caption-side: top; }
.fl-together th, .fl-together td { text-align: left !important; vertical-align: top; }
.fl-table small { font-weight: 400; font-size: .92em; }
.fl-runs :is(th, td) { white-space: normal !important; overflow-wrap: anywhere;
  min-width: 7.5rem; }
.fl-runs td:last-child { min-width: 18rem; }
.fl-runs th:first-child { min-width: 9rem; }
.fl-head { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; font-size: .92rem;
  color: var(--body-text-color); overflow-wrap: anywhere; }
.fl-head b { font-weight: 600; }
.fl-go { color: var(--fl-blue); text-decoration: underline; }
.fl-since { display: none; padding: 0 .5rem; border-radius: 4px;
  background: color-mix(in srgb, #e69f00 30%, transparent); }
.fl-head[data-changed] .fl-since { display: inline; }
.fl-result:has(.fl-head[data-changed]) > :not(:has(.fl-head)) { opacity: .6; }
.fl-going { padding: .5rem 1.1rem; margin: .2rem 0; border-left: 5px solid var(--fl-blue);
  background: var(--background-fill-secondary); }
.fl-going p { margin: .25rem 0; color: var(--body-text-color); }
.fl-going button { color: var(--fl-blue); font-weight: 600; text-decoration: underline;
  padding: .3rem 0; }
.fl-tokens { white-space: pre-wrap; line-height: 2; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.fl-tokens span, .fl-key span span { border-radius: 2px; text-underline-offset: .28em;
  text-decoration-skip-ink: none; }
.fl-tl1, .fl-tl2, .fl-tl3, .fl-tl4 { text-decoration: underline solid #d55e00;
  background: color-mix(in srgb, #d55e00 var(--fl-share), transparent); }
.fl-tg1, .fl-tg2, .fl-tg3, .fl-tg4 { text-decoration: underline dotted #0072b2;
  background: color-mix(in srgb, #0072b2 var(--fl-share), transparent); }
.fl-tl1, .fl-tg1 { --fl-share: 9%; text-decoration-thickness: 1px; }
.fl-tl2, .fl-tg2 { --fl-share: 20%; text-decoration-thickness: 2px; }
.fl-tl3, .fl-tg3 { --fl-share: 33%; text-decoration-thickness: 3px; }
.fl-tl4, .fl-tg4 { --fl-share: 48%; text-decoration-thickness: 5px; }
.fl-from { font-size: .8em; padding: 0 .3em; }
.fl-key { display: flex; flex-wrap: wrap; gap: .1rem 1rem; line-height: 2; }
.fl-long { max-height: 24rem; overflow: auto; }
.fl-long caption { caption-side: top; }
.fl-more summary { cursor: pointer; color: var(--fl-blue); padding: .3rem 0; }
.fl-texts caption { caption-side: top; padding: 0 .55rem .4rem; }
.fl-texts tbody th { white-space: normal; text-align: left; min-width: 14rem; }
.fl-report { width: 100%; height: 80vh; border: 1px solid var(--border-color-primary);
  background: Canvas; }
.fl-intro p { max-width: 46rem; margin: .2rem 0; color: var(--body-text-color); }
.fl-strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(10.5rem, 45%), 1fr));
  gap: .6rem; margin: .4rem 0; }
.fl-strip figure { margin: 0; padding: .5rem; border-radius: 4px;
  background: var(--background-fill-secondary); }
.fl-strip img { width: 7.5rem; max-width: 100%; border-radius: 4px; }
.fl-strip figcaption { font-size: .8rem; line-height: 1.35; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.fl-strip figcaption span { display: block; margin-top: .2rem; }
.fl-strip b { font-weight: 600; }
.fl-pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr));
  gap: .6rem; margin: .4rem 0; }
.fl-pictures figure { margin: 0; }
.fl-pictures img { width: 100%; border-radius: 4px; }
.fl-pictures figcaption { font-size: .78rem; line-height: 1.3; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.fl-beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: 0 1.2rem; }
.fl-part { font-size: .95rem !important; margin: .4rem 0 !important; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.fl-compared .fl-table { table-layout: fixed; }
.fl-compared caption { caption-side: top; font-size: .95rem; }
.fl-compared th, .fl-compared td { text-align: left !important; white-space: normal !important;
  overflow-wrap: anywhere; vertical-align: top; }
.fl-compared .fl-table tr.fl-strong > * { font-weight: 400; border-top: 0;
  background: color-mix(in srgb, #e69f00 18%, transparent); }
.fl-figure img { padding-top: 2rem; max-height: 34rem; max-width: 44rem; margin: 0 auto;
  object-fit: contain; background: #fff; }
.fl-map img { padding-top: 0; max-height: none; cursor: crosshair; }
/* Ink on white: turned round in the dark, hues kept, and what was white lets shine through. */
.dark .fl-figure { isolation: isolate; }
.dark .fl-figure img { filter: invert(1) hue-rotate(180deg); mix-blend-mode: screen; }
.dark :is(#where-answers, #where-changes) img { filter: brightness(.88); mix-blend-mode: normal; }
.fl-few .grid-wrap { min-height: 0; height: auto; max-height: none; }
.fl-few .grid-container { height: auto; }
.fl-few .caption-label { font-size: .68rem; padding: 0 .25rem; max-width: 100%; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
#examples .grid-wrap { min-height: 0; height: auto; max-height: none; }
#examples .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important;
  height: auto; }
#examples .caption-label { font-size: .68rem; padding: 0 .25rem; max-width: 100%; inset: auto 0 0; }
@media (max-width: 640px) {
  .fl-scroll { overflow-x: visible; }
  .fl-table, .fl-table tbody, .fl-table caption { display: block; }
  .fl-table thead { position: absolute; width: 1px; height: 1px; overflow: hidden;
    clip-path: inset(50%); }
  .fl-table tbody tr { display: flex; flex-wrap: wrap; gap: .05rem 1rem; padding: .45rem 0;
    border-bottom: 1px solid var(--border-color-primary); }
  .fl-table tbody tr > * { padding: 0; border: 0 !important; text-align: left;
    white-space: normal; min-width: 0; overflow-wrap: anywhere; }
  .fl-table tbody th { flex-basis: 100%; font-weight: 600; }
  .fl-table td::before { content: attr(data-label) ": "; font-weight: 400;
    color: var(--block-info-text-color); }
  .fl-table td:empty { display: none; }
  .fl-runs :is(th, td), .fl-runs td:last-child, .fl-runs th:first-child { min-width: 0; }
  /* Two runs stay side by side, under their names. */
  .fl-compared .fl-table tr { display: grid; grid-template-columns: 1fr 1fr; padding: .3rem; }
  .fl-compared .fl-table tbody th { grid-column: 1 / -1; }
  .fl-compared .fl-table thead { display: block; position: sticky; top: 0; width: auto;
    height: auto; clip-path: none; background: var(--body-background-fill); }
  .fl-compared thead th { padding: 0; border: 0; }
  .fl-compared thead th:first-child, .fl-compared td::before { display: none; }
  .fl-compared .fl-table tr.fl-strong > * { background: none; }
  .fl-compared .fl-table tr.fl-strong th { font-weight: 600; }
  .fl-compared .fl-table tr.fl-strong {
    background: color-mix(in srgb, #e69f00 18%, transparent); }
  /* A slider stays in sight of what it changes, and so do the names of two runs. */
  .block:has(.fl-compared) { overflow: visible !important; }
  .form:has(> #percent), .row:has(> .form > #share) { position: sticky; top: 0; z-index: 100;
    background: var(--body-background-fill); box-shadow: 0 4px 6px -4px rgb(0 0 0 / .4); }
  .row:has(> .form > #share) { gap: .4rem; padding-bottom: .4rem; }
  .row:has(> .form > #share) > .column { flex-flow: row nowrap !important; gap: .4rem; }
  .row:has(> .form > #share) > .column > button { flex: 1; padding: .3rem; }
  #percent, #share { padding: .4rem .7rem !important; }
  #intact .container, #without-top .container, #without-control .container { padding: .3rem .7rem; }
  .output-class.output-class { font-size: 1rem; padding: 0 0 .1rem;
    justify-content: flex-end; text-align: right; }
  .confidence-set.confidence-set { margin-bottom: .1rem; font-size: .8rem; line-height: 1.25; }
}
"""
