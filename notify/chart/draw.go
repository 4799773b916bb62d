package chart

import (
	"fmt"
	"image/color"
	"math"
	"strconv"

	"github.com/go-analyze/charts"
	"github.com/golang/freetype/truetype"

	"github.com/epochwatch/epochwatch/notify/notice"
)

// The picture in pixels. Shown 360 wide on a telephone, its letters are as high as those
// of 11 points.
const (
	width       = 1000
	panelHeight = 380
	gap         = 66 // between two panels, with what the lines of the second are
	titleBase   = 48
	left        = 120
	right       = 28
	top         = 84 // the title, and what the lines are
	bottom      = 60 // the epochs
	row         = 36 // of labels above the plot
	fontSize    = 22
	maxRows     = 3
	lineWidth   = 5
	dotsUpTo    = 40 // epochs that get a dot each
)

var (
	paper    = color.NRGBA{0xFF, 0xFF, 0xFF, 0xFF}
	ink      = color.NRGBA{0x1F, 0x23, 0x28, 0xFF}
	faint    = color.NRGBA{0x5B, 0x63, 0x6D, 0xFF}
	grid     = color.NRGBA{0xE3, 0xE6, 0xEA, 0xFF}
	edge     = color.NRGBA{0xC4, 0xCA, 0xD1, 0xFF} // holds the picture together on a dark page
	train    = color.NRGBA{0x1F, 0x5F, 0xBF, 0xFF}
	validate = color.NRGBA{0xD9, 0x6B, 0x00, 0xFF}
	cutting  = color.NRGBA{0x1A, 0x7F, 0x37, 0xFF}
	warning  = color.NRGBA{0x9A, 0x5B, 0x00, 0xFF}
	critical = color.NRGBA{0xB4, 0x23, 0x18, 0xFF}
)

// shades are what warning and critical look like behind the lines.
var (
	warningShade  = color.NRGBA{0xFD, 0xF0, 0xDC, 0xFF}
	criticalShade = color.NRGBA{0xFD, 0xE4, 0xE1, 0xFF}
)

func of(c color.NRGBA) charts.Color { return charts.Color{R: c.R, G: c.G, B: c.B, A: c.A} }

// canvas is a picture in the making.
type canvas struct {
	*charts.Painter
	plot Plot
	font *truetype.Font
	rows []mark // labels above the plot, placed
	high int    // of the strip with the labels
}

// mark is one label above the plot with its line.
type mark struct {
	epoch int
	text  string
	color color.NRGBA
	x, y  int // of the text; y is its base, 0 when there is no room for it
}

// PNG draws the plot.
func (p Plot) PNG() ([]byte, error) {
	c := &canvas{plot: p, font: charts.GetDefaultFont()}
	// The rows of labels must be known before the height is.
	c.Painter = charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: 8, Height: 8})
	c.place()
	height := top + c.high + len(p.Panels)*panelHeight + (len(p.Panels)-1)*gap + bottom
	c.Painter = charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputPNG, Width: width, Height: height})
	c.FilledRect(0, 0, width, height, of(edge), of(edge), 0)
	c.FilledRect(2, 2, width-2, height-2, of(paper), of(paper), 0)
	for i, panel := range p.Panels {
		y := top + c.high + i*(panelHeight+gap)
		if i == 0 {
			c.title(c.head(panel, titleBase))
		} else {
			c.head(panel, y-16)
		}
		c.panel(panel, y)
	}
	c.axis(height - bottom)
	c.labels()
	raw, err := c.Bytes()
	if err != nil {
		return nil, fmt.Errorf("draw the curve: %w", err)
	}
	return raw, nil
}

func style(size float64, c color.NRGBA) charts.FontStyle {
	return charts.FontStyle{FontSize: size, FontColor: of(c), Font: charts.GetDefaultFont()}
}

// write sets text with its left end at x and its base at y.
func (c *canvas) write(text string, x, y int, size float64, col color.NRGBA) {
	c.Text(c.known(text), x, y, 0, style(size, col))
}

// long is how wide a text is.
func (c *canvas) long(text string, size float64) int {
	return c.MeasureText(c.known(text), 0, style(size, ink)).Width()
}

// known replaces what the font cannot draw.
func (c *canvas) known(text string) string {
	out := []rune(text)
	for i, r := range out {
		if c.font.Index(r) == 0 {
			out[i] = '?'
		}
	}
	return string(out)
}

// head writes what each line of a panel is, and beside the first one the run.
func (c *canvas) head(panel Panel, base int) (x int) {
	x = left
	for _, l := range panel.Lines {
		col := colorOf(l)
		c.LineStroke([]charts.Point{{X: x, Y: base - 10}, {X: x + 44, Y: base - 10}}, of(col), lineWidth+2)
		c.write(l.Name, x+56, base, fontSize, col)
		x += 56 + c.long(l.Name, fontSize) + 36
	}
	if panel.Log {
		c.write("log scale", x, base, fontSize, faint)
		x += c.long("log scale", fontSize) + 36
	}
	return x
}

func (c *canvas) title(x int) {
	name := notice.Shorten(c.plot.Title, 28)
	if at := width - right - c.long(name, fontSize); at > x {
		c.write(name, at, titleBase, fontSize, faint)
	}
}

func colorOf(l Line) color.NRGBA {
	if l.Validation {
		return validate
	}
	return train
}

// x is where an epoch stands.
func (c *canvas) x(epoch int) int {
	from, to := c.plot.From, c.plot.To
	if from == to {
		return left + (width-left-right)/2
	}
	share := (float64(epoch) - float64(from)) / (float64(to) - float64(from))
	return left + 14 + int(math.Round(min(max(share, 0), 1)*float64(width-left-right-28)))
}

// place finds room for the labels above the plot, the onset first.
func (c *canvas) place() {
	if o := c.plot.Onset; o != nil && *o <= c.plot.To {
		col := warning
		if c.plot.Critical {
			col = critical
		}
		c.rows = append(c.rows, mark{epoch: max(*o, c.plot.From), text: "since epoch " + strconv.Itoa(*o), color: col})
	}
	if e := c.plot.End; e != nil && *e >= c.plot.From && *e <= c.plot.To {
		c.rows = append(c.rows, mark{epoch: *e, text: "over at " + strconv.Itoa(*e), color: faint})
	}
	for _, cut := range c.plot.Cuts {
		c.rows = append(c.rows, mark{epoch: cut.Epoch, text: cut.Label, color: cutting})
	}
	var ends [maxRows]int // how far each row is taken
	used := 0
	for i := range c.rows {
		m := &c.rows[i]
		long := c.long(m.text, fontSize)
		m.x = min(max(c.x(m.epoch)-long/2, left), width-right-long)
		for r := range ends {
			if m.x > ends[r] {
				ends[r] = m.x + long + 18
				m.y = r + 1
				used = max(used, r+1)
				break
			}
		}
	}
	c.high = used * row
	for i := range c.rows {
		if m := &c.rows[i]; m.y > 0 {
			m.y = top + c.high - (m.y-1)*row - 12
		}
	}
}

func (c *canvas) labels() {
	for _, m := range c.rows {
		if m.y > 0 {
			c.write(m.text, m.x, m.y, fontSize, m.color)
		}
	}
}

// panel draws one metric between y and y+panelHeight.
func (c *canvas) panel(p Panel, y int) {
	c.shade(y)
	s := scaleOf(p, y)
	for _, t := range s.ticks() {
		at := s.y(t)
		c.LineStroke([]charts.Point{{X: left, Y: at}, {X: width - right, Y: at}}, of(grid), 2)
		text := short(t)
		c.write(text, left-14-c.long(text, fontSize), at+10, fontSize, faint)
	}
	for _, m := range c.rows {
		x := c.x(m.epoch)
		dash := []float64{10, 8}
		if m.color == faint {
			dash = []float64{3, 8}
		}
		c.DashedLineStroke([]charts.Point{{X: x, Y: y}, {X: x, Y: y + panelHeight}}, of(m.color), 3, dash)
	}
	for _, l := range p.Lines {
		c.line(l, s)
	}
}

// shade colours the time of the trouble.
func (c *canvas) shade(y int) {
	o := c.plot.Onset
	if o == nil || *o > c.plot.To {
		return
	}
	from, to := c.x(*o), width-right
	if e := c.plot.End; e != nil && *e <= c.plot.To {
		to = c.x(*e)
	}
	col := warningShade
	if c.plot.Critical {
		col = criticalShade
	}
	if to > from {
		c.FilledRect(from, y, to, y+panelHeight, of(col), of(col), 0)
	}
}

// line draws one series; where it is not finite it breaks off, and a cross at the upper
// edge says so.
func (c *canvas) line(l Line, s scale) {
	col := of(colorOf(l))
	var run []charts.Point
	flush := func() {
		if len(run) > 1 {
			c.LineStroke(run, col, lineWidth)
		}
		run = nil
	}
	dots := c.plot.To-c.plot.From < dotsUpTo
	for i, v := range l.Values {
		x := c.x(l.Epochs[i])
		if !finite(v) {
			flush()
			y := s.top + 16
			if l.Validation {
				y += 30
			}
			c.cross(x, y, col)
			continue
		}
		pt := charts.Point{X: x, Y: s.y(v)}
		alone := len(run) == 0 && (i+1 == len(l.Values) || !finite(l.Values[i+1]))
		if dots || alone {
			c.Circle(7, pt.X, pt.Y, col, col, 0)
		}
		run = append(run, pt)
	}
	flush()
}

func (c *canvas) cross(x, y int, col charts.Color) {
	const d = 9
	c.LineStroke([]charts.Point{{X: x - d, Y: y - d}, {X: x + d, Y: y + d}}, col, 4)
	c.LineStroke([]charts.Point{{X: x - d, Y: y + d}, {X: x + d, Y: y - d}}, col, 4)
}

// axis writes the epochs below the plot.
func (c *canvas) axis(y int) {
	from, to := c.plot.From, c.plot.To
	c.LineStroke([]charts.Point{{X: left, Y: y}, {X: width - right, Y: y}}, of(edge), 2)
	step := max(int(nice(float64(to-from)/6)), 1)
	for e := (from + step - 1) / step * step; e <= to; e += step {
		text := strconv.Itoa(e)
		x := c.x(e)
		c.LineStroke([]charts.Point{{X: x, Y: y}, {X: x, Y: y + 8}}, of(edge), 2)
		c.write(text, min(x-c.long(text, fontSize)/2, width-right-c.long(text, fontSize)), y+40, fontSize, faint)
	}
	c.write("epoch", 22, y+40, fontSize, faint)
}
