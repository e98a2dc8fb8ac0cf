//! Work split over threads, and each thread's scratch memory.
//!
//! `parallel_for` cuts `0..units` into chunks, a few for each thread, which whoever is free takes: the calling thread and
//! the workers that wait in `pool_work`. Nothing is sent to anyone. One 64-bit word, `TICKET`, is the epoch of the job (high
//! half) and the next chunk (low half). A worker reads it, then the job, and takes the chunk by compare-and-swap; that
//! fails if the epoch has moved on, so nobody runs a chunk of one job with the description of another. Before a job is
//! described the ticket is closed under its new epoch, and opened after.
//!
//! The caller returns when as many chunks are done as there are. It waits for chunks, never for workers: one that sleeps
//! through a job is not missed. Idle workers spin for a while (a job often follows the last one within microseconds) and
//! then sleep on `WAKE`; a page's main thread may not sleep, so the caller spins.
//!
//! Without atomics (the plain build) `parallel_for` is a call of its body.

use core::cell::Cell;
use core::ops::Range;

use crate::abi::code;

/// Runs `body` over ranges that together are `0..units`, each once, some of them at the same time.
///
/// Ranges start at multiples of `grain` and are at least that long, but for the last. Bodies must not call `parallel_for`,
/// and write only what no other range writes. With `units <= grain`, or one thread, `body(0..units)` is called at once.
#[inline]
pub fn parallel_for<F: Fn(Range<usize>) + Sync>(units: usize, grain: usize, body: F) {
    parallel::run(units, grain.max(1), &body);
}

/// How many threads take part in `parallel_for`: the caller and the workers.
#[inline]
pub fn threads() -> usize {
    parallel::threads()
}

struct Scratch {
    start: usize,
    bytes: usize,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = const { Cell::new(Scratch { start: 0, bytes: 0 }) };
}

const PAGE_BYTES: usize = 1 << 16;
/// As in src/linear_memory.ts: the last page is left alone, so that no end of anything wraps to 0.
const MAX_PAGES: usize = (1 << 16) - 1;

/// `bytes` of memory of this thread's own, 64-byte aligned, of undefined contents; good until this thread's next call.
/// A kernel takes it once a range, for all it needs. There is one stack of it: `parallel_for` from a thread that uses
/// scratch around it may run a range on the same thread, which takes the same memory.
pub fn scratch(bytes: usize) -> *mut u8 {
    SCRATCH.with(|cell| {
        let mut own = cell.replace(Scratch { start: 0, bytes: 0 });
        if own.bytes < bytes {
            own = grow(own, bytes);
        }
        let start = own.start;
        cell.set(own);
        start as *mut u8
    })
}

/// What a thread gets at its start, so that all but the largest kernels run also where memory is full: pages that are
/// not touched cost nothing.
const RESERVED_BYTES: usize = 1 << 20;

/// Gives this thread its first scratch.
#[no_mangle]
pub extern "C" fn pool_reserve() {
    scratch(RESERVED_BYTES);
}

/// Twice what there was, so that growing leaves behind no more than it gives; in place where nobody grew in between.
fn grow(old: Scratch, bytes: usize) -> Scratch {
    for wanted in [bytes.max(2 * old.bytes), bytes] {
        let pages = wanted.div_ceil(PAGE_BYTES);
        if core::arch::wasm32::memory_size::<0>() + pages > MAX_PAGES {
            continue;
        }
        let at = core::arch::wasm32::memory_grow::<0>(pages);
        if at != usize::MAX {
            let start = at * PAGE_BYTES;
            let in_place = old.bytes > 0 && old.start + old.bytes == start;
            let bytes = pages * PAGE_BYTES;
            return if in_place {
                Scratch { start: old.start, bytes: old.bytes + bytes }
            } else {
                Scratch { start, bytes }
            };
        }
    }
    fail_and_trap(code::OUT_OF_MEMORY, bytes)
}

/// Leaves a code for the host and traps: the way out of a range that cannot be finished.
fn fail_and_trap(code: u32, detail: usize) -> ! {
    parallel::set_failure(code, detail as u32);
    core::arch::wasm32::unreachable()
}

#[cfg(not(target_feature = "atomics"))]
mod parallel {
    use core::ops::Range;
    use core::ptr::addr_of_mut;

    static mut FAILURE: [u32; 2] = [0; 2];

    pub fn threads() -> usize {
        1
    }

    #[inline(always)]
    pub fn run<F: Fn(Range<usize>) + Sync>(units: usize, _grain: usize, body: &F) {
        if units > 0 {
            body(0..units);
        }
    }

    pub fn set_failure(code: u32, detail: u32) {
        // SAFETY: there is one thread.
        unsafe { addr_of_mut!(FAILURE).write([code, detail]) };
    }

    /// Where a code and its detail are left before a trap; the host reads them and writes zeros.
    #[no_mangle]
    pub extern "C" fn pool_failure() -> *mut u32 {
        addr_of_mut!(FAILURE).cast()
    }
}

#[cfg(target_feature = "atomics")]
mod parallel {
    use core::arch::wasm32::{memory_atomic_notify, memory_atomic_wait32};
    use core::cell::Cell;
    use core::ops::Range;
    use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

    use crate::abi::code;

    /// Chunks a thread may take: enough that a thread which started late, or has a slower core, is not waited for long.
    const CHUNKS_PER_THREAD: usize = 4;
    /// The low half of a ticket that nobody may take.
    const CLOSED: u32 = u32::MAX;
    /// Looks at the ticket before an idle worker sleeps: some 100 µs, many times what lies between two ops of a model.
    const IDLE_LOOKS: u32 = 1 << 14;
    /// Looks of the waiting caller between two looks at the clock.
    const LOOKS_PER_CLOCK: u32 = 1 << 12;
    /// The most that counts between two looks at the clock: a machine that slept has not made a worker lose time.
    const LONGEST_LOOK_MS: f64 = 100.0;

    static TICKET: AtomicU64 = AtomicU64::new(CLOSED as u64);
    static RUN: AtomicUsize = AtomicUsize::new(0);
    static BODY: AtomicUsize = AtomicUsize::new(0);
    static UNITS: AtomicUsize = AtomicUsize::new(0);
    static CHUNK: AtomicUsize = AtomicUsize::new(1);
    static DONE: AtomicU32 = AtomicU32::new(0);
    static WAKE: AtomicU32 = AtomicU32::new(0);
    static SLEEPERS: AtomicU32 = AtomicU32::new(0);
    static STOP: AtomicU32 = AtomicU32::new(0);
    static THREADS: AtomicU32 = AtomicU32::new(1);
    static TIMEOUT_MS: AtomicU32 = AtomicU32::new(30_000);
    static FAILURE: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

    thread_local! {
        static IN_CHUNK: Cell<bool> = const { Cell::new(false) };
    }

    #[link(wasm_import_module = "heed")]
    extern "C" {
        /// Milliseconds of a clock that does not go back.
        fn now() -> f64;
    }

    #[inline]
    pub fn threads() -> usize {
        THREADS.load(Relaxed) as usize
    }

    pub fn set_failure(code: u32, detail: u32) {
        FAILURE[1].store(detail, Relaxed);
        FAILURE[0].store(code, SeqCst);
    }

    /// What a job is: the units, the length of a chunk, and a body behind a pointer to its one caller.
    #[derive(Clone, Copy)]
    struct Job {
        run: usize,
        body: usize,
        units: usize,
        chunk: usize,
    }

    impl Job {
        fn chunks(&self) -> u32 {
            self.units.div_ceil(self.chunk) as u32
        }

        fn publish(&self) {
            let epoch = (TICKET.load(Relaxed) >> 32).wrapping_add(1) << 32;
            TICKET.store(epoch | u64::from(CLOSED), SeqCst);
            RUN.store(self.run, Relaxed);
            BODY.store(self.body, Relaxed);
            UNITS.store(self.units, Relaxed);
            CHUNK.store(self.chunk, Relaxed);
            DONE.store(0, Relaxed);
            TICKET.store(epoch, SeqCst);
            WAKE.fetch_add(1, SeqCst);
            if SLEEPERS.load(SeqCst) > 0 {
                // SAFETY: WAKE is a static.
                unsafe { memory_atomic_notify(WAKE.as_ptr().cast(), self.chunks() - 1) };
            }
        }

        /// Takes a chunk of the job that is open; none where there is none left.
        fn take() -> Option<(Job, u32)> {
            loop {
                let ticket = TICKET.load(SeqCst);
                let job = Job {
                    run: RUN.load(Relaxed),
                    body: BODY.load(Relaxed),
                    units: UNITS.load(Relaxed),
                    chunk: CHUNK.load(Relaxed),
                };
                let next = ticket as u32;
                if next == CLOSED || next >= job.chunks() {
                    return None;
                }
                if TICKET.compare_exchange(ticket, ticket + 1, SeqCst, SeqCst).is_ok() {
                    return Some((job, next));
                }
            }
        }

        fn run_chunk(&self, index: u32) {
            let start = index as usize * self.chunk;
            let end = self.units.min(start + self.chunk);
            IN_CHUNK.set(true);
            self.call(start..end);
            IN_CHUNK.set(false);
            DONE.fetch_add(1, SeqCst);
        }

        fn call(&self, range: Range<usize>) {
            // SAFETY: `run` is `call::<F>` and `body` a `&F` that lives until every chunk is done, as `run` below waits.
            unsafe {
                let call: unsafe fn(usize, Range<usize>) = core::mem::transmute(self.run);
                call(self.body, range);
            }
        }
    }

    /// # Safety
    /// `body` is the address of an F that nobody drops meanwhile.
    unsafe fn call<F: Fn(Range<usize>) + Sync>(body: usize, range: Range<usize>) {
        // SAFETY: as promised by the caller.
        unsafe { (*(body as *const F))(range) }
    }

    #[inline(always)]
    pub fn run<F: Fn(Range<usize>) + Sync>(units: usize, grain: usize, body: &F) {
        run_job(Job { run: call::<F> as *const () as usize, body: body as *const F as usize, units, chunk: grain });
    }

    /// Not generic, and the only place that calls a body, so that each is compiled once.
    #[inline(never)]
    fn run_job(mut job: Job) {
        let (units, grain) = (job.units, job.chunk);
        if units <= grain || threads() == 1 {
            if units > 0 {
                job.call(0..units);
            }
            return;
        }
        job.chunk = units.div_ceil(threads() * CHUNKS_PER_THREAD).next_multiple_of(grain);
        job.publish();
        while let Some((job, index)) = Job::take() {
            job.run_chunk(index);
        }
        wait_for(job.chunks());
    }

    /// Spins until so many chunks are done, or until none was for so long that a worker must be gone.
    fn wait_for(chunks: u32) {
        let mut done = DONE.load(Acquire);
        let mut waited_ms = 0.0;
        let mut clock = None;
        while done < chunks {
            for _ in 0..LOOKS_PER_CLOCK {
                core::hint::spin_loop();
                if DONE.load(Acquire) != done {
                    break;
                }
            }
            let next = DONE.load(Acquire);
            if next != done {
                (done, waited_ms, clock) = (next, 0.0, None);
                continue;
            }
            let time = clock_ms();
            waited_ms += (time - clock.unwrap_or(time)).clamp(0.0, LONGEST_LOOK_MS);
            clock = Some(time);
            if waited_ms > f64::from(TIMEOUT_MS.load(Relaxed)) {
                TICKET.fetch_or(u64::from(CLOSED), SeqCst);
                return set_failure(code::WORKER_LOST, chunks - done);
            }
        }
    }

    fn clock_ms() -> f64 {
        // SAFETY: the host's clock takes nothing and touches no memory.
        unsafe { now() }
    }

    /// A worker's life: takes chunks, spins, sleeps, until the pool is stopped.
    #[no_mangle]
    pub extern "C" fn pool_work() {
        let mut looks = 0;
        while STOP.load(Relaxed) == 0 {
            let wake = WAKE.load(SeqCst);
            if let Some((job, index)) = Job::take() {
                job.run_chunk(index);
                looks = 0;
            } else if looks < IDLE_LOOKS {
                core::hint::spin_loop();
                looks += 1;
            } else {
                SLEEPERS.fetch_add(1, SeqCst);
                // SAFETY: WAKE is a static; if it is no longer `wake`, this returns at once.
                unsafe { memory_atomic_wait32(WAKE.as_ptr().cast(), wake as i32, -1) };
                SLEEPERS.fetch_sub(1, SeqCst);
                looks = 0;
            }
        }
    }

    /// For a worker whose chunk trapped: counts it as done and leaves a code, unless there is one.
    #[no_mangle]
    pub extern "C" fn pool_chunk_failed() {
        if FAILURE[0].load(SeqCst) == 0 {
            set_failure(code::WORKER_FAILED, 0);
        }
        if IN_CHUNK.replace(false) {
            DONE.fetch_add(1, SeqCst);
        }
    }

    /// For the calling thread after a trap: nobody takes any more chunks, and those taken are done when this returns.
    #[no_mangle]
    pub extern "C" fn pool_abandon() {
        let ticket = TICKET.fetch_or(u64::from(CLOSED), SeqCst) as u32;
        if ticket == CLOSED {
            return;
        }
        if IN_CHUNK.replace(false) {
            DONE.fetch_add(1, SeqCst);
        }
        wait_for(ticket);
    }

    /// Sets how many threads jobs are cut for, and the milliseconds without progress after which a worker is taken for lost.
    #[no_mangle]
    pub extern "C" fn pool_configure(threads: u32, timeout_ms: u32) {
        THREADS.store(threads, SeqCst);
        TIMEOUT_MS.store(timeout_ms, SeqCst);
    }

    /// Ends the workers' lives.
    #[no_mangle]
    pub extern "C" fn pool_stop() {
        STOP.store(1, SeqCst);
        WAKE.fetch_add(1, SeqCst);
        // SAFETY: WAKE is a static.
        unsafe { memory_atomic_notify(WAKE.as_ptr().cast(), u32::MAX) };
    }

    /// Where a code and its detail are left before a trap; the host reads them and writes zeros.
    #[no_mangle]
    pub extern "C" fn pool_failure() -> *mut u32 {
        FAILURE[0].as_ptr()
    }
}
