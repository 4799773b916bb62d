package history

import (
	"encoding/binary"
	"errors"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// event is what is read of a TensorBoard event: tensorflow.Event.
type event struct {
	wall    float64 // seconds since 1970
	step    int64
	scalars []scalar
}

// scalar is one value of a summary: tensorflow.Summary.Value.
type scalar struct {
	tag   []byte
	value float64
	ok    bool // it is a number, not a picture or a histogram
}

var errWire = errors.New("no protocol buffer")

// fields calls each for every field of a message; data are the bytes of a length-delimited
// field, v the number of any other.
func fields(b []byte, each func(n protowire.Number, t protowire.Type, v uint64, data []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		var v uint64
		var data []byte
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var w uint32
			w, n = protowire.ConsumeFixed32(b)
			v = uint64(w)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return errWire
		}
		b = b[n:]
		if err := each(num, typ, v, data); err != nil {
			return err
		}
	}
	return nil
}

// read parses an event.
func (e *event) read(b []byte) error {
	e.wall, e.step, e.scalars = math.NaN(), 0, e.scalars[:0]
	return fields(b, func(n protowire.Number, t protowire.Type, v uint64, data []byte) error {
		switch {
		case n == 1 && t == protowire.Fixed64Type:
			e.wall = math.Float64frombits(v)
		case n == 2 && t == protowire.VarintType:
			e.step = int64(v)
		case n == 5 && t == protowire.BytesType:
			return e.summary(data)
		}
		return nil
	})
}

func (e *event) summary(b []byte) error {
	return fields(b, func(n protowire.Number, t protowire.Type, _ uint64, data []byte) error {
		if n != 1 || t != protowire.BytesType {
			return nil
		}
		var s scalar
		err := s.read(data)
		e.scalars = append(e.scalars, s)
		return err
	})
}

func (s *scalar) read(b []byte) error {
	return fields(b, func(n protowire.Number, t protowire.Type, v uint64, data []byte) error {
		switch {
		case n == 1 && t == protowire.BytesType:
			s.tag = data
		case n == 2 && t == protowire.Fixed32Type: // simple_value
			s.value, s.ok = float64(math.Float32frombits(uint32(v))), true
		case n == 8 && t == protowire.BytesType:
			var x tensor
			if err := x.read(data); err != nil {
				return err
			}
			if v, ok := x.scalar(); ok {
				s.value, s.ok = v, true
			}
		}
		return nil
	})
}

// tensor is a tensorflow.TensorProto: its elements stand in content, or, one after the
// other, in the field of their type.
type tensor struct {
	dtype   uint64
	dims    int
	content []byte
	bits    uint64 // of the one element, as its field has it
	field   protowire.Number
	n       int // elements in fields
}

// The types of tensorflow.DataType that a scalar can have.
const (
	dtFloat, dtDouble, dtInt32 = 1, 2, 3
	dtInt64, dtBfloat16        = 9, 14
	dtHalf                     = 19
)

// elements says how wide an element of a field is when packed: 0 for a varint.
var elements = map[protowire.Number]int{5: 4, 6: 8, 7: 0, 10: 0, 13: 0}

func (x *tensor) read(b []byte) error {
	return fields(b, func(n protowire.Number, t protowire.Type, v uint64, data []byte) error {
		switch n {
		case 1:
			x.dtype = v
		case 2:
			return fields(data, func(n protowire.Number, _ protowire.Type, _ uint64, _ []byte) error {
				if n == 2 {
					x.dims++
				}
				return nil
			})
		case 4:
			x.content = data
		case 5, 6, 7, 10, 13:
			if t != protowire.BytesType {
				x.bits, x.field, x.n = v, n, x.n+1
				return nil
			}
			return x.packed(n, data)
		}
		return nil
	})
}

// packed takes the elements of a field that stand side by side.
func (x *tensor) packed(field protowire.Number, b []byte) error {
	for len(b) > 0 {
		n := elements[field]
		switch {
		case n == 4 && len(b) >= n:
			x.bits = uint64(binary.LittleEndian.Uint32(b))
		case n == 8 && len(b) >= n:
			x.bits = binary.LittleEndian.Uint64(b)
		case n == 0:
			x.bits, n = protowire.ConsumeVarint(b)
		default:
			n = -1
		}
		if n < 0 {
			return errWire
		}
		b, x.field, x.n = b[n:], field, x.n+1
	}
	return nil
}

// scalar returns the number of a tensor without dimensions.
func (x *tensor) scalar() (float64, bool) {
	if x.dims > 0 || x.n > 1 {
		return 0, false
	}
	bits := x.bits
	wide := map[uint64]int{dtFloat: 4, dtDouble: 8, dtInt32: 4, dtInt64: 8, dtBfloat16: 2, dtHalf: 2}[x.dtype]
	if len(x.content) > 0 {
		if len(x.content) != wide {
			return 0, false
		}
		var b [8]byte
		copy(b[:], x.content)
		bits = binary.LittleEndian.Uint64(b[:])
	} else if x.n == 1 && x.field != map[uint64]protowire.Number{dtFloat: 5, dtDouble: 6, dtInt32: 7, dtInt64: 10, dtBfloat16: 13, dtHalf: 13}[x.dtype] {
		return 0, false
	}
	// Without any element the value is zero: protocol buffers leave zeros out.
	switch x.dtype {
	case dtFloat:
		return float64(math.Float32frombits(uint32(bits))), true
	case dtDouble:
		return math.Float64frombits(bits), true
	case dtInt32:
		return float64(int32(bits)), true
	case dtInt64:
		return float64(int64(bits)), true
	case dtBfloat16:
		return float64(math.Float32frombits(uint32(bits) << 16)), true
	case dtHalf:
		return half(uint16(bits)), true
	}
	return 0, false
}

// half reads an IEEE 754 number of 16 bits.
func half(b uint16) float64 {
	sign, exponent, fraction := 1.0, int(b>>10&0x1f), float64(b&0x3ff)
	if b&0x8000 != 0 {
		sign = -1
	}
	switch exponent {
	case 0:
		return sign * math.Ldexp(fraction, -24)
	case 0x1f:
		if fraction != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+fraction, exponent-25)
}
