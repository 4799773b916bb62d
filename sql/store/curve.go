package store

// Curve returns the epochs that count, in order of training: an attempt that starts
// again at epoch k replaces what earlier attempts had from k on. The input is ordered
// by attempt and sequence number, as ListEpochs returns it.
func Curve(all []Epoch) []Epoch {
	out := make([]Epoch, 0, len(all))
	for i, e := range all {
		if i > 0 && e.Attempt != all[i-1].Attempt {
			for len(out) > 0 && out[len(out)-1].Epoch >= e.Epoch {
				out = out[:len(out)-1]
			}
		}
		out = append(out, e)
	}
	return out
}
