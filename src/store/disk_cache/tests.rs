//! Taking over what an earlier process left.

use super::*;

#[test]
fn each_folder_has_its_own_bytes_however_many_threads_look() {
    let root = tempfile::tempdir().unwrap();
    let sizes: Vec<_> = (0..3 * FOLDERS_OF_ONE_THREAD).collect();
    let folders: Vec<_> = sizes.iter().map(|size| root.path().join(size.to_string())).collect();
    for (folder, size) in folders.iter().zip(&sizes) {
        fs::create_dir_all(folder.join("below")).unwrap();
        fs::write(folder.join("below/file"), "x".repeat(*size)).unwrap();
    }

    let measured = measure_all(&folders).unwrap();
    assert_eq!(measured, sizes.iter().map(|size| *size as u64).collect::<Vec<_>>());

    fs::remove_dir_all(&folders[40]).unwrap();
    assert_eq!(measure_all(&folders).unwrap_err().kind(), io::ErrorKind::NotFound);
}
