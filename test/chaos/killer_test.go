package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"starkeep/workflows/spec"
)

// point is a moment in the life of a worker. The zero value never comes.
type point struct {
	Activity string
	When     string // a when… constant
	N        int    // the N-th execution, or the N-th heartbeat; 0 is the first
	State    string // whenState: the FE's word
}

// When a worker is killed.
const (
	whenBefore    = "before"    // the activity has been taken, and nothing was done
	whenAfter     = "after"     // the activity is through, and Temporal does not know
	whenHeartbeat = "heartbeat" // in the middle of Await
	whenState     = "state"     // in the middle of Await, which has seen the job in State

	// The process stands still (SIGSTOP) until it is told to go on: Temporal takes it for dead, and then it does what it
	// had begun.
	whenFrozen = "frozen"

	// From outside: at a change in StarRocks of which the worker has no answer yet.
	whenAccepted = "accepted" // the FE has accepted BACKUP or RESTORE
	whenSwapped  = "swapped"  // the tables have changed places, the old one has not got its name
	whenGivenUp  = "given up" // a job is cancelled
	whenReplaced = "replaced" // INSERT OVERWRITE has exchanged the partitions
)

func (p point) String() string {
	if p.Activity == "" {
		return ""
	}
	return fmt.Sprintf("%s:%s:%d:%s", p.Activity, p.When, max(p.N, 1), p.State)
}

// fromOutside tells the points at which the process does not kill itself.
func (p point) fromOutside() bool {
	return p.When == whenAccepted || p.When == whenSwapped || p.When == whenGivenUp || p.When == whenReplaced
}

func parsePoint(text string) (point, error) {
	if text == "" {
		return point{}, nil
	}
	words := strings.Split(text, ":")
	if len(words) != 4 {
		return point{}, fmt.Errorf("kill point %q is not activity:when:n:state", text)
	}
	n, err := strconv.Atoi(words[2])
	return point{words[0], words[1], n, words[3]}, err
}

// killer sends its own process SIGKILL when its point comes, once.
type killer struct {
	interceptor.WorkerInterceptorBase
	point  point
	marker string
	trace  *os.File

	mu         sync.Mutex
	executions int
	heartbeats int
}

func (k *killer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &inbound{interceptor.ActivityInboundInterceptorBase{Next: next}, k}
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	killer *killer
}

func (i *inbound) Init(next interceptor.ActivityOutboundInterceptor) error {
	return i.Next.Init(&outbound{interceptor.ActivityOutboundInterceptorBase{Next: next}, i.killer})
}

func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	due := i.killer.begins(name)
	if due && i.killer.point.When == whenBefore {
		i.killer.kill()
	}
	if due && i.killer.point.When == whenFrozen {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		defer i.killer.note(thawed)
	}
	out, err := i.Next.ExecuteActivity(ctx, in)
	if due && i.killer.point.When == whenAfter {
		i.killer.kill()
	}
	return out, err
}

// thawed stands in the trace when the activity that was frozen is through.
const thawed = "(thawed)"

func (k *killer) note(line string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	fmt.Fprintln(k.trace, line)
}

// begins tells whether this execution is the point's.
func (k *killer) begins(name string) bool {
	k.note(name)
	k.mu.Lock()
	defer k.mu.Unlock()
	if name != k.point.Activity {
		return false
	}
	k.executions++
	return k.executions == k.point.N
}

type outbound struct {
	interceptor.ActivityOutboundInterceptorBase
	killer *killer
}

func (o *outbound) RecordHeartbeat(ctx context.Context, details ...any) {
	o.Next.RecordHeartbeat(ctx, details...)
	if o.killer.point.Activity == activity.GetInfo(ctx).ActivityType.Name && o.killer.beats(details) {
		o.killer.kill()
	}
}

func (k *killer) beats(details []any) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch k.point.When {
	case whenHeartbeat:
		k.heartbeats++
		return k.heartbeats == k.point.N
	case whenState:
		return len(details) > 0 && stateIn(details[0]) == k.point.State
	}
	return false
}

func stateIn(details any) string {
	var p spec.JobProgress
	text, err := json.Marshal(details)
	if err != nil || json.Unmarshal(text, &p) != nil {
		return ""
	}
	return p.State
}

// kill ends the process as kill -9 does. A process that finds the marker was started after the kill.
func (k *killer) kill() {
	marker, err := os.OpenFile(k.marker, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_ = marker.Close()
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}
