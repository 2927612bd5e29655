package workflows_test

import (
	"testing"
	"time"

	"starkeep/activities"
	"starkeep/workflows/spec"
)

// TestWhereACancelMeetsARestore: before COMMIT nothing is exchanged and the copies go; in COMMIT what StarRocks has
// restored is brought to its end, and the result is the true one.
func TestWhereACancelMeetsARestore(t *testing.T) {
	inCommit := func(u activities.UnitRef) (activities.JobEnd, error) {
		return activities.JobEnd{CancelRefused: true}, nil
	}
	whole := func(ref activities.TableRef) (activities.Proven, error) {
		return proven(ref.Table, spec.ActionSwap), nil
	}
	tests := []struct {
		name   string
		cancel time.Duration
		await  func(activities.UnitRef) (activities.JobEnd, error)
		prove  func(activities.TableRef) (activities.Proven, error)
		want   string
		steps  string // after the plan
	}{
		{"while the database is created", 1500 * time.Millisecond, nil,
			func(ref activities.TableRef) (activities.Proven, error) {
				return unproven(0, spec.ActionCreate, "none of its partitions was restored"), nil
			}, "Canceled", `
			ensure sales
			prove t0`},
		{"while the first unit is awaited: nothing is exchanged, the copy goes", 30 * time.Second, nil,
			func(ref activities.TableRef) (activities.Proven, error) {
				return unproven(0, spec.ActionSwap, "2 of its partitions were not restored"), nil
			}, "Canceled", `
			ensure sales
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			await sales u1 a1 (cancel)
			tidy sales u1 a1
			prove t0
			drop-beside t0`},
		{"between units: a table that is whole is not exchanged either", 90 * time.Second, nil, whole, "Canceled", `
			ensure sales
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			tidy sales u1 a1
			prepare sales u2 a1
			RESTORE sales u2 a1
			await sales u2 a1
			await sales u2 a1 (cancel)
			tidy sales u2 a1
			prove t0
			drop-beside t0`},
		{"in COMMIT: the other unit is left out, what is whole is exchanged", 30 * time.Second, inCommit, whole, "", `
			ensure sales
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			await sales u1 a1 (cancel)
			tidy sales u1 a1
			prove t0
			properties t0
			grants t0
			swap t0`},
		{"in COMMIT: a table that is not whole is named, its copy goes", 30 * time.Second, inCommit,
			func(ref activities.TableRef) (activities.Proven, error) {
				return unproven(0, spec.ActionSwap, "1 of its partitions was not restored"), nil
			}, "", `
			ensure sales
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			await sales u1 a1 (cancel)
			tidy sales u1 a1
			prove t0
			drop-beside t0`},
		{"while proving: all is restored, so it is finished", 129 * time.Second, nil, whole, "", `
			ensure sales
			prepare sales u1 a1
			RESTORE sales u1 a1
			await sales u1 a1
			tidy sales u1 a1
			prepare sales u2 a1
			RESTORE sales u2 a1
			await sales u2 a1
			tidy sales u2 a1
			prove t0
			properties t0
			grants t0
			swap t0`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.restoreOf(1, database("sales", 2, 1))
			w.await, w.prove = test.await, test.prove
			w.at(test.cancel, w.CancelWorkflow)
			out, err := w.restore(comeBack)
			wantType(t, err, test.want)
			w.wantSteps(test.steps, "plan")
			if !out.CancelRequested {
				t.Errorf("the result must say that a cancel was asked for: %+v", out)
			}
			if swapped := w.count("swap t0") == 1; swapped != (out.Undo != "") {
				t.Errorf("swapped: %v, undo window %q", swapped, out.Undo)
			}
		})
	}
}
