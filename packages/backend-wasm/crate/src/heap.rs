//! What allocates for std and wasm-bindgen, which ask a few times at the start of a thread for its stack and thread-local
//! memory: whole pages, never given back. Kernels allocate nothing; tensors have the host's heap (src/heap.ts). It is 7 kB
//! less than std's allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::memory_grow;
use core::ptr::null_mut;

const PAGE_BYTES: usize = 1 << 16;

struct Pages;

// SAFETY: pages are aligned to more than any layout asks for here, and each is given out once.
unsafe impl GlobalAlloc for Pages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match memory_grow::<0>(layout.size().div_ceil(PAGE_BYTES)) {
            usize::MAX => null_mut(),
            page => (page * PAGE_BYTES) as *mut u8,
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static PAGES: Pages = Pages;
