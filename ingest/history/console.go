package history

import (
	"bufio"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// maxSegment is how much of a line without an end is looked at.
const maxSegment = 64 << 10

var (
	ansiRE   = regexp.MustCompile(`\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07`)
	headerRE = regexp.MustCompile(`Epoch:?\s+\[?0*(\d+)\s*/\s*(\d+)\]?`)
	barRE    = regexp.MustCompile(`(?:^|\s)(\d+)/(\d+|Unknown|None)\s`)
	// A metric stands at the beginning or behind a separator; its name may hold single blanks.
	metricRE  = regexp.MustCompile(`(?:^|[-\s,|])([A-Za-z_][\w./@()\[\]-]*(?: [A-Za-z_]\w*)*)\s*[:=]\s*([-+]?(?:nan|inf(?:inity)?|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?))`)
	secondsRE = regexp.MustCompile(`(?:^|[\s-])(?:(\d+):)?(?:(\d+):)?(\d+)s(?:\s|$|-)`)
)

// console folds segments of console output into epochs.
type console struct {
	c       *collector
	line    int
	open    bool
	headers bool
	epoch   detectors.Epoch
	done    bool // the bar of the open epoch reached its end, or there is none
}

// readConsole reads what Keras prints. Carriage returns and backspaces redraw a line: the
// last value of a metric within an epoch counts.
func readConsole(in *bufio.Reader, c *collector) error {
	k := &console{c: c, line: 1, done: true}
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			k.segment(ansiRE.ReplaceAllString(b.String(), ""))
			b.Reset()
		}
	}
	for {
		ch, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch {
		case ch == '\n':
			flush()
			k.line++
		case ch == '\r' || ch == '\b':
			flush()
		case b.Len() < maxSegment:
			b.WriteByte(ch)
		case b.Len() == maxSegment:
			k.c.note(k.line, "only the first %d bytes of the line were read", maxSegment)
			b.WriteByte(' ')
		}
	}
	flush()
	k.close(true)
	return nil
}

// segment takes one redrawing of a line, in which headers may be glued to bars.
func (k *console) segment(s string) {
	s = strings.ToValidUTF8(s, "?")
	from := 0
	for _, m := range headerRE.FindAllStringSubmatchIndex(s, -1) {
		k.body(s[from:m[0]])
		from = m[1]
		number, err1 := strconv.Atoi(s[m[2]:m[3]])
		total, err2 := strconv.Atoi(s[m[4]:m[5]])
		if err1 != nil || err2 != nil {
			k.c.note(k.line, "an epoch number is too large: %.40q", s[m[0]:m[1]])
			continue
		}
		k.header(number, total)
	}
	k.body(s[from:])
}

func (k *console) header(number, total int) {
	if k.open && number == k.epoch.Epoch && len(k.epoch.Metrics) == 0 {
		return // drawn twice
	}
	k.close(false)
	k.headers, k.open, k.done = true, true, true
	k.epoch = newEpoch(number)
	k.c.log.Declared = total
}

// body reads the bar, the time and the metrics of a piece without headers.
func (k *console) body(s string) {
	metrics := metricRE.FindAllStringSubmatch(s, -1)
	if len(metrics) == 0 {
		return
	}
	values, ok := k.values(s, metrics)
	if !ok {
		return
	}
	if !k.open {
		if k.headers || !hasLoss(values) {
			return // text between trainings
		}
		// Lines without headers, as they are left when a log was filtered: one an epoch.
		k.epoch, k.open = newEpoch(k.next()), true
		defer k.close(false)
	}
	if m := barRE.FindStringSubmatch(s); m != nil {
		k.done = m[1] == m[2] || m[2] == "Unknown" || m[2] == "None"
	}
	if m := secondsRE.FindStringSubmatch(s); m != nil && !strings.Contains(s, "ETA") {
		k.epoch.Seconds = clock(m[1], m[2], m[3])
	}
	for name, v := range values {
		if isRate(name) {
			k.epoch.LearningRate = v
			continue
		}
		k.epoch.Metrics[name] = v
	}
}

// next numbers epochs that nobody numbered, from 1.
func (k *console) next() int {
	if n := len(k.c.log.Epochs); n > 0 {
		return k.c.log.Epochs[n-1].Epoch + 1
	}
	return 1
}

// values reads the metrics of a piece. It reports false for a sentence that only looks
// like metrics: a message of a callback.
func (k *console) values(s string, metrics [][]string) (map[string]float64, bool) {
	if strings.HasPrefix(strings.TrimSpace(s), "Epoch ") {
		return nil, false // “Epoch 00003: val_loss improved from 0.5 to 0.4”
	}
	out := map[string]float64{}
	for _, m := range metrics {
		name := strings.TrimSpace(m[1])
		if name == "ETA" || strings.HasSuffix(name, "ms/step") {
			continue
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			k.c.note(k.line, "the value of %.40q is no number: %.40q", name, m[2])
			continue
		}
		out[name] = v
	}
	return out, len(out) > 0
}

// close ends the open epoch. At the end of the file an epoch whose bar is not full is cut
// off: its running means are not those of an epoch.
func (k *console) close(end bool) {
	if !k.open {
		return
	}
	k.open = false
	switch {
	case len(k.epoch.Metrics) == 0:
		if !end {
			k.c.note(k.line, "epoch %d has no metrics", k.epoch.Epoch)
		}
	case end && !k.done:
		k.c.note(k.line, "epoch %d was not finished and is left out", k.epoch.Epoch)
	default:
		k.c.add(k.epoch)
	}
}

func hasLoss(values map[string]float64) bool {
	for name := range values {
		if name == "loss" || strings.HasSuffix(name, "_loss") {
			return true
		}
	}
	return false
}

// clock turns h:m:s, or m:s, or s into seconds; each part was digits.
func clock(parts ...string) float64 {
	total := 0.0
	for _, p := range parts {
		if p != "" {
			v, _ := strconv.ParseFloat(p, 64) // digits: too many of them are infinite
			total = total*60 + v
		}
	}
	return total
}
