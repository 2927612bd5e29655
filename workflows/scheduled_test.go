package workflows_test

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
)

// A run that a schedule started is named by the time that it was due, however late it begins; any other by when it begins.
func TestAScheduledPointIsNamedByTheTimeItWasDue(t *testing.T) {
	began := time.Date(2026, 11, 22, 15, 47, 3, 0, time.UTC)
	due := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		attributes temporal.SearchAttributes
		want       time.Time
	}{
		"by a schedule": {temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime").ValueSet(due)), due},
		"by hand":       {temporal.SearchAttributes{}, began},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.SetStartTime(began)
			if err := w.SetTypedSearchAttributesOnStart(test.attributes); err != nil {
				t.Fatal(err)
			}
			w.backupOf(8, database("sales", 1, 2))
			_, err := w.backup(nightly)
			wantType(t, err, "")
			if prefix := test.want.Format("20060102T150405Z-"); !strings.HasPrefix(w.published.Point, prefix) || !w.published.Created.Equal(began) {
				t.Errorf("point %s, made at %v; want %s…, %v", w.published.Point, w.published.Created, prefix, began)
			}
		})
	}
}
