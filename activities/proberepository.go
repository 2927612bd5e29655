package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// RepositoryRef names a repository profile on a cluster profile.
type RepositoryRef struct {
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"`
}

func (r RepositoryRef) scratch() string { return restorepoint.ScratchDatabase(r.Cluster, r.Repository) }

// probeTimeout bounds one operation of a probe: a store that takes longer is reported as not answering.
const probeTimeout = 30 * time.Second

// ProbeStore tries the worker's own rights with objects that it makes below __starkeep/ and removes again: list, write,
// read, copy, delete. What is missing is in the rows; the error is that of profiles that do not exist.
func (a *Activities) ProbeStore(ctx context.Context, ref RepositoryRef) ([]spec.RightRow, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return nil, failure(ctx, err)
	}
	p := &storeProbe{place: placeOf(c, r), store: r.Store, prefix: restorepoint.ProbePrefix(c.Name, ref.scratch()), key: restorepoint.ProbeKey(c.Name, ref.scratch(), "probe")}
	p.native = starrocks.RepositoryPrefix(r.Native)
	rows := p.run(ctx)
	if ctx.Err() != nil {
		return nil, failure(ctx, ctx.Err())
	}
	return rows, nil
}

type storeProbe struct {
	place       Place
	store       storage.Store
	prefix, key string
	native      string
}

// probeContent is what a probe object holds.
var probeContent = []byte("starkeep repo check tries its rights with this object; it can be deleted\n")

func (p *storeProbe) run(ctx context.Context) []spec.RightRow {
	var rows []spec.RightRow
	for _, step := range []struct {
		right string
		do    func(context.Context) error
	}{
		{spec.RightList, p.list}, {spec.RightWrite, p.write}, {spec.RightRead, p.read}, {spec.RightCopy, p.copy}, {spec.RightDelete, p.remove},
	} {
		limited, cancel := context.WithTimeoutCause(ctx, probeTimeout, errProbeTimeout)
		err := step.do(limited)
		if err != nil && errors.Is(context.Cause(limited), errProbeTimeout) {
			err = fmt.Errorf("%w: %w", errProbeTimeout, err)
		}
		cancel()
		row := p.place.tried(step.right, err)
		if errors.Is(err, errNothingThere) {
			row = spec.RightRow{Side: spec.SideWorker, Right: step.right, NotTried: true, Message: "nothing could be written to try it with"}
		}
		rows = append(rows, row)
	}
	return rows
}

var (
	errNothingThere = errors.New("no object to try it with")
	errProbeTimeout = fmt.Errorf("no answer within %s", probeTimeout)
)

// list looks where starkeep's own objects are, and StarRocks'.
func (p *storeProbe) list(ctx context.Context) error {
	for _, prefix := range []string{p.prefix, p.native} {
		for _, err := range p.store.List(ctx, prefix) {
			if err != nil {
				return err
			}
			break
		}
	}
	return nil
}

// write also tries what commits a restore point: that of two writers one is refused.
func (p *storeProbe) write(ctx context.Context) error {
	if err := storage.WriteAll(ctx, p.store, p.key, probeContent, storage.Overwrite); err != nil {
		return err
	}
	err := storage.WriteAll(ctx, p.store, p.key, probeContent, storage.IfAbsent)
	if err == nil {
		return fmt.Errorf("the store lets two writers create %q: it does not know conditional writes (If-None-Match), with which restore points are committed", p.key)
	}
	if errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrDenied) { // who may not read cannot see who won
		return nil
	}
	return err
}

func (p *storeProbe) read(ctx context.Context) error {
	found, err := storage.ReadAll(ctx, p.store, p.key, 1<<10)
	if errors.Is(err, storage.ErrNotFound) {
		return errNothingThere
	}
	if err == nil && !bytes.Equal(found, probeContent) {
		return fmt.Errorf("%q is not what was written", p.key)
	}
	return err
}

func (p *storeProbe) copy(ctx context.Context) error {
	err := p.store.Copy(ctx, p.key, p.key+"-copy")
	if errors.Is(err, storage.ErrNotFound) {
		return errNothingThere
	}
	return err
}

func (p *storeProbe) remove(ctx context.Context) error {
	return p.store.Delete(ctx, p.key, p.key+"-copy")
}

// Probed is what the FE tells without anything being changed.
type Probed struct {
	Place     Place           `json:"place"`
	Rows      []spec.RightRow `json:"rows"`
	Usable    bool            `json:"usable"`             // a BACKUP may be tried
	ReadOnly  bool            `json:"readOnly,omitempty"` // nothing can be backed up into it on this cluster
	Backends  []int64         `json:"backends,omitempty"` // ids of those that are alive
	Heartbeat spec.Duration   `json:"heartbeat"`
}

// ProbeCluster asks the FE what it knows of the repository, lets it list the location, and looks which BEs are there.
func (a *Activities) ProbeCluster(ctx context.Context, ref RepositoryRef) (Probed, error) {
	defer keepAlive(ctx)()
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return Probed{}, failure(ctx, err)
	}
	p := Probed{Place: placeOf(c, r), Heartbeat: spec.Duration(c.Timing.Heartbeat)}
	a.probeFrontend(ctx, c, r, &p)
	p.backends(ctx, c)
	if ctx.Err() != nil {
		return Probed{}, failure(ctx, ctx.Err())
	}
	return p, nil
}

func (a *Activities) probeFrontend(ctx context.Context, c *Cluster, r *Repository, p *Probed) {
	if err := a.checkCluster(ctx, c); err != nil {
		p.Rows = append(p.Rows, p.Place.asked(spec.RightRepository, err, ""))
		return
	}
	found, err := lookUp(ctx, c, r)
	if err == nil && found == nil {
		err = fail(spec.ErrorRepositoryMissing, "cluster %s has no repository %q", c.Name, r.Native)
	}
	if err != nil {
		p.Rows = append(p.Rows, p.Place.asked(spec.RightRepository, err, ""))
		return
	}
	p.ReadOnly = found.ReadOnly
	said, err := c.FE.SnapshotStatus(ctx, r.Native, restorepoint.ScratchPrefix+"none")
	if err != nil && !errors.Is(err, starrocks.ErrRepositoryUnreachable) {
		p.Rows = append(p.Rows, p.Place.asked(spec.RightRepository, err, ""))
		return
	}
	p.Rows = append(p.Rows, p.Place.asked(spec.RightRepository, nil, fmt.Sprintf("%s at %s%s", found.Name, found.Location, readOnlyWord(found.ReadOnly))))
	if err != nil {
		said = err.Error()
	}
	list := p.listed(said, found.ErrMsg)
	p.Rows = append(p.Rows, list)
	p.Usable = list.OK
}

// listed reads SHOW SNAPSHOT for a label that nobody has: the FE had to list the location for its answer.
func (p *Probed) listed(said, ping string) spec.RightRow {
	if said == "OK" || strings.Contains(said, "no snapshot") {
		return spec.RightRow{Side: spec.SideFE, Right: spec.RightList, OK: true}
	}
	if ping != "" {
		said += " (SHOW REPOSITORIES: " + ping + ")"
	}
	return p.Place.lacks(spec.SideFE, spec.RightList, said)
}

func (p *Probed) backends(ctx context.Context, c *Cluster) {
	list, err := c.FE.Backends(ctx)
	if err != nil {
		p.Rows = append(p.Rows, p.Place.asked(spec.RightScratch, err, ""))
		p.Usable = false
		return
	}
	for _, b := range list {
		if b.Alive {
			p.Backends = append(p.Backends, b.ID)
			continue
		}
		p.Rows = append(p.Rows, spec.RightRow{Side: spec.SideBE, Backend: b.ID, Right: spec.RightAlive, NotTried: true,
			Message: strings.TrimSpace(fmt.Sprintf("BE %d (%s) is not alive, so its way to the store is not tried %s", b.ID, b.Host, b.ErrMsg))})
	}
}
