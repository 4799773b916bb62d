package detectors

import "strings"

// direction says which way a metric should go.
type direction int8

const (
	unknownWay direction = iota
	down
	up
)

// role is what the name of a metric says about it.
type role struct {
	base string // without val_ and without the output's name where one was recognised
	val  bool
	loss bool // a loss, of the whole model or of one output
	way  direction
}

// Names as Keras writes them, short and long; a name that ends in one of them after an
// underscore ("out1_accuracy") goes the same way.
var (
	upNames = []string{
		"accuracy", "acc", "auc", "prc", "precision", "recall", "f1", "f1_score", "fscore", "f1score",
		"fbeta_score", "specificity", "sensitivity", "iou", "mean_io_u", "mean_iou", "io_u", "miou",
		"jaccard", "dice", "dice_coef", "dice_coefficient", "dsc", "r2", "r2_score", "r_square",
		"cosine_similarity", "cosine_proximity", "psnr", "ssim", "map", "top_k", "mcc", "kappa",
		"tp", "tn", "true_positives", "true_negatives",
	}
	downNames = []string{
		"loss", "error", "err", "mae", "mse", "rmse", "mape", "msle", "rmsle", "mean_absolute_error", "mean_squared_error",
		"root_mean_squared_error", "mean_absolute_percentage_error", "mean_squared_logarithmic_error",
		"logcosh", "log_cosh", "hinge", "squared_hinge", "categorical_hinge", "crossentropy",
		"kullback_leibler_divergence", "kl_divergence", "kld", "poisson", "huber", "perplexity", "bpc",
		"cer", "wer", "fp", "fn", "false_positives", "false_negatives", "nll",
	}
)

// roleOf reads the name of a metric.
func roleOf(name string) role {
	base := snake(name)
	var r role
	for _, p := range []string{"val_", "validation_", "valid_", "test_"} {
		if rest, ok := strings.CutPrefix(base, p); ok {
			r.val, base = true, rest
			break
		}
	}
	for _, p := range []string{"train_", "training_"} {
		base = strings.TrimPrefix(base, p)
	}
	base = strings.TrimRight(base, "0123456789")
	base = strings.TrimSuffix(base, "_")
	r.base = base
	if end := ending(base, upNames); end != "" {
		r.way = up
	}
	if end := ending(base, downNames); end != "" && len(end) > len(ending(base, upNames)) {
		r.way = down
		r.loss = end == "loss"
	}
	return r
}

// ending returns the longest of the names that base is or ends in.
func ending(base string, names []string) string {
	best := ""
	for _, n := range names {
		if len(n) > len(best) && (base == n || strings.HasSuffix(base, "_"+n)) {
			best = n
		}
	}
	return best
}

// snake writes CamelCase and spaces as Keras names its metrics: RootMeanSquaredError
// is root_mean_squared_error.
func snake(s string) string {
	var b strings.Builder
	lower := false
	for _, c := range s {
		switch {
		case c >= 'A' && c <= 'Z':
			if lower {
				b.WriteByte('_')
			}
			b.WriteRune(c - 'A' + 'a')
			lower = false
			continue
		case c == ' ' || c == '-' || c == '/' || c == '.':
			c = '_'
		}
		lower = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		b.WriteRune(c)
	}
	return b.String()
}
