package activities

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
)

// maxLookedUp bounds the SHOW TABLET statements spent on finding culprits; with more tablets unfinished than this the
// trouble is not a partition's.
const maxLookedUp = 64

// unfinished finds the parts whose tasks a job waits for. What it cannot tell is left out: an empty answer makes the
// unit be split.
func (w *watch) unfinished(ctx context.Context, j *starrocks.Job) []int {
	errs := unfinishedErrors(j)
	switch {
	case j.Kind == starrocks.BackupKind && j.State == starrocks.StateSnapshoting:
		return w.ofTablets(ctx, suspects(j.Unfinished, errs, func(t starrocks.Task) int64 { return t.ID }))
	case j.Kind == starrocks.BackupKind && j.State == starrocks.StateUploading:
		return w.notUploaded(ctx)
	case j.Kind == starrocks.RestoreKind && j.State == starrocks.StateDownloading:
		return w.ofPaths(errs)
	case j.Kind == starrocks.RestoreKind && j.State == starrocks.StateSnapshoting:
		return w.ofTablets(ctx, suspects(j.Unfinished, nil, func(t starrocks.Task) int64 { return t.On }))
	}
	return nil
}

// suspects narrows unfinished tablets to those with an error, where errors name tablets.
func suspects(unfinished []starrocks.Task, errs []starrocks.TaskError, tablet func(starrocks.Task) int64) []int64 {
	var list []int64
	for _, e := range errs {
		list = append(list, e.ID)
	}
	if len(list) > 0 {
		return list
	}
	for _, t := range unfinished {
		list = append(list, tablet(t))
	}
	return list
}

func (w *watch) ofTablets(ctx context.Context, tablets []int64) []int {
	if len(tablets) > maxLookedUp {
		return nil
	}
	found := map[int]bool{}
	for _, tablet := range tablets {
		place, err := w.cluster.FE.TabletPlace(ctx, tablet)
		if err != nil {
			continue
		}
		w.eachPart(func(i int, p restorepoint.Part, t PlanTable) {
			if place.Partition == p.Partition && (place.Table == p.Table || t.As != "" && place.Table == t.As) {
				found[i] = true
			}
		})
	}
	return sorted(found)
}

// notUploaded compares the store with the plan: UPLOADING names task signatures only, so the tablets that are missing
// are looked for where they should be. A tablet counts when its header, written last, is there.
func (w *watch) notUploaded(ctx context.Context) []int {
	complete := map[int64]int{}
	for o, err := range w.repository.Store.List(ctx, w.snapshot().Content()) {
		if err != nil {
			return nil
		}
		k, err := starrocks.ParseKey(o.Key)
		if err == nil && k.Kind == starrocks.KeyTabletFile && isHeader(k.File) {
			complete[k.Tablet.Partition]++
		}
	}
	found := map[int]bool{}
	w.eachPart(func(i int, p restorepoint.Part, _ PlanTable) {
		if complete[p.PartitionID] < p.Tablets {
			found[i] = true
		}
	})
	return sorted(found)
}

func isHeader(file string) bool { return file == "meta" || strings.HasSuffix(file, ".hdr") }

var partitionInPath = regexp.MustCompile(`/__part_(\d+)/`)

// ofPaths reads the partition out of the repository paths that download errors quote.
func (w *watch) ofPaths(errs []starrocks.TaskError) []int {
	found := map[int]bool{}
	for _, e := range errs {
		for _, m := range partitionInPath.FindAllStringSubmatch(e.Text(), -1) {
			id, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				continue
			}
			w.eachPart(func(i int, p restorepoint.Part, _ PlanTable) {
				if p.PartitionID == id {
					found[i] = true
				}
			})
		}
	}
	return sorted(found)
}

// mentioned finds the parts whose table or partition a Status text names, by name or, when something was dropped, by id.
func (w *watch) mentioned(reason string) []int {
	found := map[int]bool{}
	for _, m := range dropped.FindAllStringSubmatch(reason, -1) {
		id, _ := strconv.ParseInt(m[2], 10, 64)
		w.eachPart(func(i int, p restorepoint.Part, t PlanTable) {
			if m[1] == "table" && t.Table.ID == id || m[1] == "partition" && p.PartitionID == id {
				found[i] = true
			}
		})
	}
	for _, m := range missing.FindAllStringSubmatch(reason, -1) {
		w.eachPart(func(i int, p restorepoint.Part, t PlanTable) {
			if m[1] == "table" && m[2] == p.Table || m[1] == "partition" && m[2] == p.Partition {
				found[i] = true
			}
		})
	}
	for _, m := range differing.FindAllStringSubmatch(reason, -1) {
		partition, table := m[1], m[2]+m[3]
		w.eachPart(func(i int, p restorepoint.Part, t PlanTable) {
			if (table == p.Table || table == t.As) && (partition == "" || partition == p.Partition) {
				found[i] = true
			}
		})
	}
	return sorted(found)
}

var (
	dropped   = regexp.MustCompile(`(table|partition) (\d+) has been dropped`)
	differing = regexp.MustCompile(`(?:[Pp]artition (\S+) in )?(?:[Tt]able (\S+) already exist|[Tt]able (\S+) has (?:different|conflict))`)
	missing   = regexp.MustCompile(`(table|partition) (\S+) does not exist`)
)

func (w *work) eachPart(see func(i int, p restorepoint.Part, t PlanTable)) {
	var t PlanTable
	for n, i := range w.Unit.Indexes() {
		p := w.parts[n]
		if t.Table.Name != p.Table {
			t, _ = w.plan.table(p)
		}
		see(i, p, t)
	}
}

// mentions tells whether an error's words hold a name, as a word of its own.
func mentions(err error, name string) bool { return word(text(err), name) }

// text is StarRocks' own words of an error, or the whole error.
func text(err error) string {
	var e *starrocks.Error
	if errors.As(err, &e) {
		return e.Text
	}
	return err.Error()
}

func sorted(set map[int]bool) []int {
	if len(set) == 0 {
		return nil
	}
	list := make([]int, 0, len(set))
	for i := range set {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}
