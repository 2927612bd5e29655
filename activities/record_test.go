package activities_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"starkeep/activities"
	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// glob finds exactly one or more files below the snapshot of a label.
func (b *bed) glob(label, pattern string) []string {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, filepath.FromSlash(starrocks.Snapshot{Repository: "r", Label: label}.Prefix()), pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("nothing matches %s: %v", pattern, err)
	}
	return files
}

func (b *bed) file(do func(...string) error, paths ...string) {
	b.Helper()
	if err := do(paths...); err != nil {
		b.Fatal(err)
	}
}

func remove(paths ...string) error { return os.RemoveAll(paths[0]) }

func cutOff(paths ...string) error { return os.Truncate(paths[0], 1) }

func copyTo(paths ...string) error {
	data, err := os.ReadFile(paths[0])
	if err != nil {
		return err
	}
	return os.WriteFile(paths[1], data, 0o600)
}

func spoil(paths ...string) error {
	data, err := os.ReadFile(paths[0])
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	return os.WriteFile(paths[0], data, 0o600)
}

const otherMD5 = "0cc175b9c0f1b6a831c399e269772661"

// TestRecordOfADamagedSnapshot: a BACKUP that says FINISHED is believed only if the snapshot is whole.
func TestRecordOfADamagedSnapshot(t *testing.T) {
	for _, c := range []struct {
		name     string
		damage   func(b *bed, label, tablet string)
		outcome  string
		culprits string
		words    string
	}{
		{"nothing", func(*bed, string, string) {}, "finished", "", ""},
		{"__info missing", func(b *bed, l, _ string) { b.file(remove, b.glob(l, "__info_*")[0]) }, "failed, transient", "", "0 __info files"},
		{"__info twice", func(b *bed, l, _ string) {
			f := b.glob(l, "__info_*")[0]
			sum := f[strings.LastIndexByte(f, '.'):]
			b.file(copyTo, f, filepath.Join(filepath.Dir(f), "__info_2026-01-01-00-00-00-000"+sum))
		}, "failed, transient", "", "2 __info files"},
		{"__info spoiled", func(b *bed, l, _ string) { b.file(spoil, b.glob(l, "__info_*")[0]) }, spec.ErrorChecksumMismatch, "", "__info_"},
		{"__meta missing", func(b *bed, l, _ string) { b.file(remove, b.glob(l, "__meta.*")[0]) }, "failed", "", "__meta"},
		{"__meta twice", func(b *bed, l, _ string) {
			f := b.glob(l, "__meta.*")[0]
			b.file(copyTo, f, filepath.Join(filepath.Dir(f), "__meta."+otherMD5))
		}, "failed", "", "__meta"},
		{"__meta spoiled", func(b *bed, l, _ string) { b.file(spoil, b.glob(l, "__meta.*")[0]) }, spec.ErrorChecksumMismatch, "", "__meta"},
		{"tablet directory missing", func(b *bed, _, tablet string) { b.file(remove, tablet) }, "failed", "t/p2", "directory is missing"},
		{"header missing", func(b *bed, _, tablet string) { b.file(remove, only(b, tablet, "*.hdr.*")) }, "failed", "t/p2", ".hdr"},
		{"header twice", func(b *bed, _, tablet string) {
			f := only(b, tablet, "*.hdr.*")
			b.file(copyTo, f, f[:len(f)-32]+otherMD5)
		}, "failed", "t/p2", "two MD5 sums"},
		{"data file twice", func(b *bed, _, tablet string) {
			f := only(b, tablet, "*.dat.*")
			b.file(copyTo, f, f[:len(f)-32]+otherMD5)
		}, "failed", "t/p2", "two MD5 sums"},
		{"foreign file with a dot", func(b *bed, _, tablet string) {
			b.file(copyTo, only(b, tablet, "*.hdr.*"), filepath.Join(tablet, "left.over"))
		}, "failed", "t/p2", "left.over"},
		{"foreign file without a dot", func(b *bed, _, tablet string) {
			b.file(copyTo, only(b, tablet, "*.hdr.*"), filepath.Join(tablet, "leftover"))
		}, "finished", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			u := b.unitOfAll("BACKUP")
			b.must(nil, b.acts.Submit, u)
			b.must(nil, b.acts.Await, u)
			c.damage(b, u.Label, b.tabletDir(u, 2))
			e := b.run(b.acts.Record, u)
			if got := saying(e); got != c.outcome {
				t.Errorf("outcome %q (%v), want %q", got, e.err, c.outcome)
			}
			if got := b.culprits(u, e); got != c.culprits {
				t.Errorf("culprits %q, want %q", got, c.culprits)
			}
			if !contains(e.message, c.words) {
				t.Errorf("%q does not say %q", e.message, c.words)
			}
			_, err := os.Stat(filepath.Join(b.dir, filepath.FromSlash(restorepoint.SnapshotKey("prod", u.Label))))
			if recorded := err == nil; recorded != (c.outcome == "finished") {
				t.Errorf("recorded: %t", recorded)
			}
		})
	}
}

func only(b *bed, dir, pattern string) string {
	b.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		b.Fatalf("nothing matches %s in %s: %v", pattern, dir, err)
	}
	return files[0]
}

// TestRecordTwice writes the same, also when a restore has put its own __info beside the snapshot's meanwhile.
func TestRecordTwice(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	r := newRestore(b, "beside live tables")
	u := activities.UnitRef{Statement: activities.Backup, Cluster: "prod", Repository: "repo", Database: "d", Plan: b.backupPlan, Unit: b.backupUnits[0], Label: r.u.Label}
	before := b.records()
	b.sql("INSERT INTO d.t VALUES ('2026-01-07', 7)") // its rows cannot be counted any more
	var first, second activities.Recorded
	b.must(&first, b.acts.Record, u)
	b.must(&second, b.acts.Record, u)
	if !reflect.DeepEqual(first, second) || first.Tablets != 8 || first.Partitions != 4 {
		t.Errorf("got %+v, then %+v", first, second)
	}
	if !maps.Equal(b.records(), before) {
		t.Error("what the restore point refers to was written anew")
	}
}

// A worker that was taken for dead ends its attempt when the point has been published, and a restore begun.
func TestARecordThatComesLateChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, options{})
	u := b.unitOfAll("BACKUP")
	b.must(nil, b.acts.Submit, u)
	b.must(nil, b.acts.Await, u)
	f := b.fenced()
	var written map[string]string
	f.before = func(op, key string) error {
		if op != "put" || written != nil {
			return nil
		}
		written = map[string]string{}
		f.mu.Unlock()
		defer f.mu.Lock()
		b.must(nil, b.acts.Record, u)
		written = b.records()
		b.write(starrocks.Snapshot{Repository: "r", Label: u.Label}.Prefix()+"__info_2026-01-01-00-00-00-000."+otherMD5, "of a restore")
		b.sql("INSERT INTO d.t VALUES ('2026-01-07', 7)")
		return nil
	}
	b.must(nil, b.acts.Record, u)
	if len(written) != 2 || !maps.Equal(b.records(), written) {
		t.Errorf("wrote %d files, and then others", len(written))
	}
}

// records are what is written down of native snapshots.
func (b *bed) records() map[string]string {
	b.Helper()
	all := held(b.T, b.store)
	maps.DeleteFunc(all, func(key, _ string) bool { return !strings.HasPrefix(key, restorepoint.SnapshotsPrefix("prod")) })
	return all
}

// TestPrepareOfADamagedSnapshot: nothing is submitted from a snapshot that is not what was recorded.
func TestPrepareOfADamagedSnapshot(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(b *bed, label, tablet string)
		words  string
	}{
		{"data file missing", func(b *bed, _, tablet string) { b.file(remove, only(b, tablet, "*.dat.*")) }, "p2"},
		{"data file truncated", func(b *bed, _, tablet string) {
			if err := os.Truncate(only(b, tablet, "*.dat.*"), 1); err != nil {
				b.Fatal(err)
			}
		}, "p2"},
		{"header twice", func(b *bed, _, tablet string) {
			f := only(b, tablet, "*.hdr.*")
			b.file(copyTo, f, f[:len(f)-32]+otherMD5)
		}, "p2"},
		{"foreign file", func(b *bed, _, tablet string) {
			b.file(copyTo, only(b, tablet, "*.hdr.*"), filepath.Join(tablet, "left.over"))
		}, "left.over"},
		{"__meta missing", func(b *bed, l, _ string) { b.file(remove, b.glob(l, "__meta.*")[0]) }, "__meta"},
		{"__meta twice", func(b *bed, l, _ string) {
			f := b.glob(l, "__meta.*")[0]
			b.file(copyTo, f, filepath.Join(filepath.Dir(f), "__meta."+otherMD5))
		}, "__meta"},
		{"__info of somebody else", func(b *bed, l, _ string) {
			f := b.glob(l, "__info_*")[0]
			b.file(copyTo, f, filepath.Join(filepath.Dir(f), "__info_2020-01-01-00-00-00-000"+f[strings.LastIndexByte(f, '.'):]))
		}, "__info_2020"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, options{})
			r := newRestore(b, "new tables")
			b.must(nil, b.acts.Tidy, r.u)
			c.damage(b, r.u.Label, b.tabletDir(r.u, 2))
			mark := b.sentSoFar()
			e := b.run(b.acts.Prepare, r.u)
			if e.kind != spec.ErrorChecksumMismatch || e.retry || !contains(e.message, c.words) {
				t.Errorf("got %v, want ChecksumMismatch naming %q", e.err, c.words)
			}
			if got := b.sent(mark); got != "" {
				t.Errorf("sent %q", got)
			}
		})
	}
}
