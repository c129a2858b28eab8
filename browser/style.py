"""How the pages look, in light and dark, on a laptop and on a phone."""

CSS = """
.fl-finding { font-size: 1.12rem; line-height: 1.5; padding: .9rem 1.1rem; margin: .2rem 0 .6rem;
  border-left: 5px solid var(--body-text-color-subdued); color: var(--body-text-color);
  background: var(--background-fill-secondary); }
.fl-finding.fl-yes { border-left-color: #d55e00; }
.fl-warn, .fl-note { margin: .3rem 0; color: var(--body-text-color); font-size: .92rem; }
.fl-warn { background: color-mix(in srgb, #e69f00 18%, transparent); padding: .4rem .8rem;
  border-radius: 4px; }
.fl-scroll { overflow-x: auto; }
table.fl-table { border-collapse: collapse; border: 0; width: 100%; font-size: .86rem;
  font-variant-numeric: tabular-nums; color: var(--body-text-color); }
.fl-table caption { caption-side: bottom; text-align: left; font-size: .8rem; padding-top: .4rem;
  color: var(--body-text-color); opacity: .8; }
.fl-table tr { border: 0; background: none; }
.fl-table th, .fl-table td { padding: .3rem .55rem; text-align: right; white-space: nowrap;
  border: 0; border-bottom: 1px solid var(--border-color-primary); font-size: inherit; }
.fl-table th { font-family: inherit; font-weight: 600; }
.fl-table th:first-child, .fl-table td:first-child { text-align: left; }
.fl-table tr.fl-top td { font-weight: 600; border-top: 2px solid var(--body-text-color-subdued); }
.fl-table.fl-runs th, .fl-table.fl-runs td { text-align: left; vertical-align: top; }
.fl-runs td.fl-words { white-space: normal; min-width: 18rem; }
.fl-report { width: 100%; height: 80vh; border: 1px solid var(--border-color-primary);
  background: Canvas; }
.fl-intro p { max-width: 46rem; margin: .2rem 0; color: var(--body-text-color); }
.fl-beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: 0 1.2rem; }
.fl-beside h3 { font-size: .95rem; margin: .4rem 0; overflow-wrap: anywhere;
  color: var(--body-text-color); }
.fl-table.fl-compared { table-layout: fixed; }
.fl-table.fl-compared caption { caption-side: top; font-size: .95rem; opacity: 1; }
.fl-table.fl-compared th, .fl-table.fl-compared td { text-align: left; white-space: normal;
  overflow-wrap: anywhere; vertical-align: top; }
.fl-table tr.fl-differs td { background: color-mix(in srgb, #e69f00 18%, transparent); }
.fl-table.fl-compared abbr { text-decoration: none; }
.fl-runs-box { max-height: 20rem; overflow: auto; }
.fl-figure img { padding-top: 2rem; max-height: 34rem; max-width: 44rem; margin: 0 auto;
  object-fit: contain; background: #fff; }
.fl-few .grid-wrap { min-height: 0; height: auto; max-height: none; }
.fl-few .grid-container { height: auto; }
.fl-few .caption-label { font-size: .68rem; padding: 0 .25rem; max-width: 100%; }
#picture img { width: 100%; height: 100%; object-fit: contain; }
#examples .grid-wrap { min-height: 0; height: auto; max-height: none; }
#examples .grid-container { grid-template-columns: repeat(5, minmax(0, 1fr)) !important;
  height: auto; }
#examples .caption-label { font-size: .68rem; padding: 0 .25rem; max-width: 100%; inset: auto 0 0; }
@media (max-width: 640px) {
  .fl-runs thead { display: none; }
  .fl-table.fl-runs tr, .fl-table.fl-runs td { display: block; white-space: normal; border: 0; }
  .fl-table.fl-runs tr { border-bottom: 1px solid var(--border-color-primary); padding: .4rem 0; }
  .fl-table.fl-runs td { padding: .1rem 0; min-width: 0; overflow-wrap: anywhere; }
}
"""
