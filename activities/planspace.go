package activities

import (
	"context"
	"fmt"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// need adds up the room that a table's replicas take: beside what is there, because a live table stays until a restore of
// it is finished. Partitions that are replaced are written twice: beside, and by INSERT OVERWRITE.
func (p *restorePlanner) need(action string, parts []restorepoint.Part) {
	times := int64(1)
	if action == spec.ActionReplace {
		times = 2
	}
	for _, part := range parts {
		p.needed += times * part.Bytes * int64(max(part.Replication, 1))
	}
}

// checkSpace compares the room that is needed with what the BEs have. StarRocks places replicas of new tablets in turn, so
// each BE gets about the same.
func (p *restorePlanner) checkSpace() {
	space := spec.PlanSpace{Needed: p.needed}
	alive := aliveOf(p.backends)
	known := true
	for _, b := range alive {
		known = known && b.Available > 0
		space.Available += b.Available
	}
	if !known {
		space.Available = 0
	}
	share := p.needed / int64(max(len(alive), 1))
	for _, b := range alive {
		space.Backends = append(space.Backends, spec.BackendSpace{Backend: b.ID, Host: b.Host, Needed: share, Available: b.Available})
		switch {
		case b.Available == 0:
			p.warn("BE %d (%s) does not say how much room it has; about %s is needed there", b.ID, b.Host, spec.Bytes(share))
		case share > b.Available:
			p.block("not enough room: BE %d (%s) has %s free and would get about %s (%s over %d BEs, all replicas counted); free or add disks, restore less, or with a smaller replicationNum",
				b.ID, b.Host, spec.Bytes(b.Available), spec.Bytes(share), spec.Bytes(p.needed), len(alive))
		}
	}
	p.out.Space = &space
}

func aliveOf(backends []starrocks.Backend) []starrocks.Backend {
	var alive []starrocks.Backend
	for _, b := range backends {
		if b.Alive {
			alive = append(alive, b)
		}
	}
	return alive
}

// minMeasured is how much a restore point must hold before its backup's time says anything about a rate.
const minMeasured = 1 << 30

// jobTicks is how many ticks of the FE a statement takes however small it is: 16-18 s (starrocks-measured B 28).
const jobTicks = 6

// estimate guesses how long the restore takes: each statement its ticks and its bytes, and where its snapshot is composed,
// the copies before it; statements of one database one after the other, databases side by side.
func (p *restorePlanner) estimate(ctx context.Context) {
	rate, basis := p.measuredRate(ctx)
	if rate == 0 {
		rate, basis = p.cluster.Limits.BytesPerSecond, "limits.bytesPerSecond of the cluster profile"
	}
	if rate <= 0 {
		return
	}
	e := spec.PlanEstimate{BytesPerSecond: rate}
	fixed := p.cluster.Timing.Tick.Seconds() * jobTicks
	var all, longest float64
	for _, d := range p.out.Databases {
		plan := p.plans[d.Database]
		copied := plan.copied(d.Units)
		moved := copied
		for _, part := range plan.Parts {
			moved += part.Bytes * int64(max(part.Replication, 1))
		}
		e.DownloadBytes += copied
		took := float64(len(d.Units))*fixed + float64(moved)/float64(rate)
		all += took
		longest = max(longest, took)
		e.Statements += len(d.Units)
	}
	e.Seconds = int64(max(longest, all/float64(max(1, p.out.ParallelDatabases))) + 0.5)
	e.Basis = fmt.Sprintf("%d statements of %.0f s and more, and %s/s by %s", e.Statements, fixed, spec.Bytes(rate), basis)
	if e.DownloadBytes > 0 {
		e.Basis += fmt.Sprintf("; %s of several snapshots are put together first, by copies", spec.Bytes(e.DownloadBytes))
	}
	p.out.Estimate = &e
}

// copied are the bytes of the units for which a native snapshot is composed.
func (p *Plan) copied(units []restorepoint.Unit) (bytes int64) {
	for _, u := range units {
		parts := u.Of(p.Parts)
		if p.From == "" && !restorepoint.Scattered(parts) {
			continue
		}
		for _, part := range parts {
			bytes += part.Bytes
		}
	}
	return bytes
}

// measuredRate is what the restore point's own backup moved in a second; 0 if it was too small to tell.
func (p *restorePlanner) measuredRate(ctx context.Context) (int64, string) {
	var bytes int64
	var seconds float64
	for i, s := range p.manifest.Snapshots {
		if i == maxMeasured {
			break
		}
		record, _, err := readRecord(ctx, p.from.Store, p.manifest.Cluster.Name, s.Label)
		if err != nil {
			continue
		}
		took := record.CreatedAt.Sub(record.ConsistentAt).Seconds() - p.cluster.Timing.Tick.Seconds()*jobTicks
		if took > 1 {
			bytes, seconds = bytes+s.Bytes, seconds+took
		}
	}
	if bytes < minMeasured || seconds == 0 {
		return 0, ""
	}
	return int64(float64(bytes) / seconds), "the time that this restore point's backup took"
}

// maxMeasured bounds the records that are read for the rate.
const maxMeasured = 5
