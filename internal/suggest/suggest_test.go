package suggest_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/suggest"
)

func TestKnown(t *testing.T) {
	t.Parallel()
	known := slices.Values([]string{"plateau", "loss_nan", "spike"})
	require.Equal(t, `, did you mean "loss_nan"?`, suggest.Known("losnan", known))
	require.Equal(t, `, did you mean "plateau"?`, suggest.Known("PLATAU", known))
	require.Equal(t, ", known here: loss_nan, plateau, spike", suggest.Known("colour", known))
}
