package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Number is a float64 that survives JSON whatever its value. Finite values are
// JSON numbers in their shortest exact form; the others are the strings "NaN",
// "Infinity" and "-Infinity".
type Number float64

// ErrNotANumber is returned when JSON holds null, a boolean, an object, or a
// string other than the three that stand for non-finite values.
var ErrNotANumber = errors.New(`not a number (want a JSON number, "NaN", "Infinity" or "-Infinity")`)

// String returns the number as it stands in JSON, without quotes.
func (n Number) String() string {
	f := float64(n)
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// Finite reports whether the number is neither NaN nor infinite.
func (n Number) Finite() bool {
	f := float64(n)
	return !math.IsNaN(f) && !math.IsInf(f, 0)
}

// MarshalJSON writes the number as the package documentation says.
func (n Number) MarshalJSON() ([]byte, error) {
	if n.Finite() {
		return json.Marshal(float64(n))
	}
	return []byte(`"` + n.String() + `"`), nil
}

// UnmarshalJSON reads what MarshalJSON writes. It returns ErrNotANumber for
// anything else, null included: a missing metric is left out, never null.
func (n *Number) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*n = Number(math.NaN())
		return nil
	case `"Infinity"`:
		*n = Number(math.Inf(1))
		return nil
	case `"-Infinity"`:
		*n = Number(math.Inf(-1))
		return nil
	}
	if len(b) == 0 || (b[0] != '-' && (b[0] < '0' || b[0] > '9')) {
		return fmt.Errorf("%w: %.40s", ErrNotANumber, b)
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("%w: %.40s", ErrNotANumber, b)
	}
	*n = Number(f)
	return nil
}
