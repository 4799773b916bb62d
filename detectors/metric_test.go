package detectors

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRolesOfNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]role{
		"loss":                            {base: "loss", loss: true, way: down},
		"val_loss":                        {base: "loss", val: true, loss: true, way: down},
		"train_loss":                      {base: "loss", loss: true, way: down},
		"acc":                             {base: "acc", way: up},
		"val_accuracy":                    {base: "accuracy", val: true, way: up},
		"sparse_categorical_accuracy":     {base: "sparse_categorical_accuracy", way: up},
		"out1_loss":                       {base: "out1_loss", loss: true, way: down},
		"val_output_2_acc":                {base: "output_2_acc", val: true, way: up},
		"auc_1":                           {base: "auc", way: up},
		"AUC":                             {base: "auc", way: up},
		"RootMeanSquaredError":            {base: "root_mean_squared_error", way: down},
		"val_mae":                         {base: "mae", val: true, way: down},
		"f1_score":                        {base: "f1_score", way: up},
		"categorical_crossentropy":        {base: "categorical_crossentropy", way: down},
		"output_1_FN":                     {base: "output_1_fn", way: down},
		"lr":                              {base: "lr"},
		"my_metric":                       {base: "my_metric"},
		"val_":                            {val: true},
		"":                                {},
		"top_k_categorical_accuracy":      {base: "top_k_categorical_accuracy", way: up},
		"val_mean_io_u_3":                 {base: "mean_io_u", val: true, way: up},
		"kullback_leibler_divergence":     {base: "kullback_leibler_divergence", way: down},
		"mean_absolute_percentage_error":  {base: "mean_absolute_percentage_error", way: down},
		"val_loss_weighted_accuracy_loss": {base: "loss_weighted_accuracy_loss", val: true, loss: true, way: down},
	} {
		require.Equal(t, want, roleOf(name), name)
	}
}

func TestTheWholeLossIsTracked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		metrics []string
		want    [tracked]string
	}{
		{[]string{"out1_loss", "loss", "val_out1_loss", "val_loss", "acc", "auc"}, [tracked]string{"loss", "val_loss", "acc", ""}},
		{[]string{"auc", "val_auc", "loss"}, [tracked]string{"loss", "", "auc", "val_auc"}},
		{[]string{"b_loss", "a_loss"}, [tracked]string{"a_loss", "", "", ""}},
		{[]string{"precision", "categorical_accuracy"}, [tracked]string{"", "", "categorical_accuracy", ""}},
		{[]string{"mae"}, [tracked]string{}},
	} {
		m := map[string]float64{}
		for _, name := range c.metrics {
			m[name] = 1
		}
		var n names
		n.learn(m)
		require.Equal(t, c.want, n.tracked, c.metrics)
	}
}

func TestNamesAreBounded(t *testing.T) {
	t.Parallel()
	var n names
	m := map[string]float64{"loss": 1}
	for i := range 1000 {
		m[string(rune('a'+i%26))+string(rune('0'+i))] = 1
	}
	n.learn(m)
	n.learn(m)
	require.Len(t, n.all, maxNames)
	require.Equal(t, "loss", n.all[0])
}
