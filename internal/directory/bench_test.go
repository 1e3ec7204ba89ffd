package directory_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/testenv"
	"github.com/rolecall/rolecall/internal/uc"
)

// BenchmarkSwitches has callers flip live switches of 1,000 users on both databases.
func BenchmarkSwitches(b *testing.B) {
	server := testenv.StartPostgres(b)
	for name, url := range map[string]string{
		"sqlite": "sqlite://" + filepath.Join(b.TempDir(), "r.db"), "postgres": server.Database(b),
	} {
		st, err := store.Open(b.Context(), url, nil)
		if err != nil {
			b.Fatal(err)
		}
		defer st.Close()
		d, err := directory.Open(b.Context(), st, bus.New(), directory.Options{Iterations: 16})
		if err != nil {
			b.Fatal(err)
		}
		const users = 1000
		for i := range users {
			_, err := d.AddUser(b.Context(), uc.System, uc.NewUser{User: uc.User{Login: fmt.Sprintf("u%d", i), Name: "U", Auth: uc.AuthNone}, Softphone: true})
			if err != nil {
				b.Fatal(err)
			}
		}
		for _, callers := range []int{1, 10, 1000} {
			b.Run(fmt.Sprintf("%s/callers=%d", name, callers), func(b *testing.B) {
				var wg sync.WaitGroup
				work := make(chan int)
				for range callers {
					wg.Go(func() {
						for i := range work {
							user := uc.UserID(i%users + 1)
							if _, err := d.SetGSM(b.Context(), uc.System, user, !d.Snapshot().State(user).GSM); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for i := range b.N {
					work <- i
				}
				close(work)
				wg.Wait()
			})
		}
	}
}
